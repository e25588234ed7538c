/** Which charts the diagnostics of a run have. */
import { capitalize, spellOut } from "../../format";
import type { Columns, Diagnostics } from "../../runs/columns";
import type { Chart } from "./run_chart";

/** A chart of one or several values of a diagnostic. A value with one number a layer is a heat map. */
interface Description {
  title: string;
  values: readonly string[];
  /** The value that names the layers. */
  layers?: string;
  metric?: string;
  isLog?: boolean;
}

const DESCRIPTIONS: Record<string, readonly Description[]> = {
  saturation: [
    {
      title: "Saturation",
      values: ["saturated"],
      layers: "layers",
      metric: "accuracy",
    },
  ],
  gradient_norms: [
    {
      title: "Gradient norms",
      values: ["norms"],
      layers: "layers",
      isLog: true,
    },
    {
      title: "Gradient, first layer to last",
      values: ["first_to_last"],
      isLog: true,
    },
  ],
  train_eval_gap: [
    {
      title: "Training mode and evaluation mode",
      values: ["train_mode_loss", "eval_mode_loss"],
      metric: "loss",
    },
  ],
  clean_gap: [
    {
      title: "Objective and clean loss",
      values: ["train_objective", "train_clean_loss"],
      metric: "loss",
    },
  ],
  inconsistent_samples: [
    {
      title: "Inconsistent samples",
      values: ["only_in_training_share", "only_in_evaluation_share"],
      metric: "accuracy",
    },
  ],
  activation_drift: [
    {
      title: "Drift of the inputs of layers",
      values: ["mean_drift"],
      layers: "layers",
    },
  ],
  sparsity: [
    {
      title: "Dead units",
      values: ["dead_units"],
      layers: "activations",
      metric: "accuracy",
    },
    {
      title: "Zero activations",
      values: ["zero_activations"],
      layers: "activations",
      metric: "accuracy",
    },
  ],
};

/** Returns what the service says about an ingredient, by its type. */
export type Explain = (diagnostic: string) => string | undefined;

/** Returns the charts of all diagnostics; those that this page does not know are drawn from what they contain. */
export function layerCharts(diagnostics: Diagnostics, explain: Explain): Chart[] {
  return Object.entries(diagnostics).flatMap(([name, columns]) => {
    if (!columns.epoch?.length) return [];
    const x = { label: "epoch", values: columns.epoch as number[], format: String };
    const charts =
      name === "variance_shift"
        ? [shiftChart(columns)]
        : (DESCRIPTIONS[name] ?? describeUnknown(name, columns)).map((each) =>
            drawDescription(each, columns),
          );
    return charts.map((chart) => ({ ...chart, x, note: explain(name) }));
  });
}

function shiftChart(columns: Columns<unknown>): Omit<Chart, "x"> {
  const { moving = [], real = [] } = columns;
  const labels = texts(columns.layers?.at(-1));
  const lines = labels.map((label, layer) => ({
    label,
    color: layerColor(layer),
    values: (columns.epoch ?? []).map((_, index) =>
      ratio(numberAt(real[index], layer), numberAt(moving[index], layer)),
    ),
  }));
  return {
    title: "Variance shift by norm layer",
    metric: "ratio",
    isLog: true,
    lines,
    level: { label: "usual", color: "var(--good)", low: 0.57, high: 1.75 },
  };
}

function ratio(real: number | null, moving: number | null): number | null {
  return real === null || moving === null || moving === 0 ? null : real / moving;
}

function drawDescription(description: Description, columns: Columns<unknown>): Omit<Chart, "x"> {
  const { title, values, layers, metric = "value", isLog = false } = description;
  const chart = { title, metric, isLog };
  if (layers === undefined) {
    const lines = values.map((name, index) => ({
      label: spellOut(name),
      color: layerColor(index),
      values: (columns[name] ?? []).map((value) => (typeof value === "number" ? value : null)),
    }));
    return { ...chart, lines };
  }
  const labels = texts(columns[layers]?.at(-1));
  const rows = labels.map((_, layer) =>
    (columns[values[0] ?? ""] ?? []).map((each) => numberAt(each, layer)),
  );
  return { ...chart, heat: { labels, rows, isLog } };
}

function describeUnknown(name: string, columns: Columns<unknown>): Description[] {
  return Object.entries(columns).flatMap(([value, column]) => {
    if (value === "epoch" || value === "step") return [];
    const title = `${capitalize(spellOut(name))}: ${spellOut(value)}`;
    const last = column.at(-1);
    if (typeof last === "number") return [{ title, values: [value] }];
    const isByLayer = Array.isArray(last) && last.length === texts(columns.layers?.at(-1)).length;
    return isByLayer && last.some((each) => typeof each === "number")
      ? [{ title, values: [value], layers: "layers" }]
      : [];
  });
}

function numberAt(list: unknown, index: number): number | null {
  const value: unknown = Array.isArray(list) ? list[index] : null;
  return typeof value === "number" ? value : null;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

/** Neighbours have hues that are far apart. */
function layerColor(index: number): string {
  return `oklch(var(--line-lightness) 0.15 ${Math.round((250 + index * 137.5) % 360)})`;
}
