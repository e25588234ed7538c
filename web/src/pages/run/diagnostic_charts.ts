/** Which charts the diagnostics of a run have. */

import type { Variant } from "../../api/types";
import { spellOut } from "../../format";
import type { Columns, Diagnostics } from "../../runs/columns";
import type { Chart } from "./run_chart";

/** What the service says about a diagnostic; see `GET /v1/recipes/ingredients`. */
export type About = Pick<Variant, "type" | "sentence" | "charts">;
type Description = NonNullable<Variant["charts"]>[number];

/** Returns the charts of all diagnostics. */
export function layerCharts(diagnostics: Diagnostics, known: readonly About[]): Chart[] {
  return Object.entries(diagnostics).flatMap(([name, columns]) => {
    if (!columns.epoch?.length) return [];
    const x = { label: "epoch", values: columns.epoch as number[], format: String };
    const about = known.find(({ type }) => type === name);
    const charts =
      name === "variance_shift"
        ? [shiftChart(columns)]
        : (about?.charts ?? []).map((each) => drawDescription(each, columns));
    return charts.map((chart) => ({ ...chart, x, note: about?.sentence }));
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
  const { title, values, layers, is_share: isShare, is_log: isLog = false } = description;
  const chart = { title, metric: isShare ? "accuracy" : "value", isLog };
  if (!layers) {
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
