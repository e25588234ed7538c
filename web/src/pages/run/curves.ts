/** Which charts a run has, and what is in them. */

import type { Run } from "../../api/types";
import { smoothValues } from "../../charts/smooth";
import type { Line, Mark } from "../../charts/types";
import { capitalize, count, formatWhole, isRising, spellOut } from "../../format";
import type { Columns, Diagnostics } from "../../runs/columns";
import { axisOf, epochPositions, stepPositions, type XAxis } from "../../runs/positions";
import { isOver } from "../../runs/status";
import type { Chart } from "./run_chart";

export const TRAINING = { color: "var(--info)", dash: [6, 3] };
export const VALIDATION = { color: "var(--accent)" };

/** Columns that are no metrics of the model. */
const OTHER_COLUMNS = new Set(["epoch", "step", "lr", "seconds", "epochs_since_best"]);
/** Raw series by step are smoothed over this share of the run, at least over ten steps. */
const SMOOTHED_SHARE = 0.02;
/** A learning rate that changes by more than this is shown on a logarithmic axis. */
const WIDE_RANGE = 50;

/** A chart of lines. */
export type Curve = Chart & { lines: Line[] };

/** Returns the charts by epoch: the loss first, then the other metrics. */
export function metricCurves(run: Run, epochs: Columns, kind: XAxis): Curve[] {
  const x = axisOf(kind, epochPositions(kind, epochs));
  const marks = marksOf(run, epochs, x.values);
  return metricNames(epochs).map((name) => ({
    title: capitalize(spellOut(name)),
    x,
    lines: splitLines(name, epochs),
    marks,
    goal: isRising(name) ? "high" : "low",
    metric: name,
  }));
}

/** Returns `loss` and the other metrics without their split. */
export function metricNames(epochs: Columns): string[] {
  const names = Object.keys(epochs)
    .filter((name) => !OTHER_COLUMNS.has(name))
    .map((name) => name.replace(/^(train|validation)_/, ""));
  return [...new Set(["loss", ...names])].filter((name) => splitLines(name, epochs).length > 0);
}

function splitLines(name: string, epochs: Columns): Line[] {
  const lines = [
    { label: `validation ${spellOut(name)}`, values: epochs[`validation_${name}`], ...VALIDATION },
    { label: `training ${spellOut(name)}`, values: epochs[`train_${name}`], ...TRAINING },
    { label: spellOut(name), values: epochs[name], color: "var(--good)" },
  ];
  return lines.flatMap(({ values, ...line }) => (values ? [{ ...line, values }] : []));
}

/** Marks the best epoch, the last one of a run that is over, and the epochs in which patience ran. */
export function marksOf(run: Run, epochs: Columns, x: readonly number[]): Mark[] {
  const at = (epoch: number) => x[(epochs.epoch ?? []).indexOf(epoch)];
  const last = epochs.epoch?.at(-1);
  const best = run.best?.epoch;
  const marks: Mark[] = [];
  const [from, to] = [best ? at(best) : undefined, last ? at(last) : undefined];
  if (from !== undefined) marks.push({ label: `best: epoch ${best}`, color: "var(--good)", from });
  if (to === undefined) return marks;
  if (isOver(run.status)) marks.push({ label: `end: epoch ${last}`, color: "var(--quiet)", from: to });
  const { patience, epochs_since_best: waited } = run.progress;
  if (patience && waited && from !== undefined)
    marks.push({
      label: `patience ${Math.min(waited, patience)} of ${patience}`,
      color: "var(--warning)",
      from,
      to,
    });
  return marks;
}

/**
 * Returns by how much the model is worse on the validation split than on the training split. Metrics of a training
 * epoch are measured with dropout and augmentation; the diagnostic `clean_gap` measures without, so it is preferred.
 */
export function gapCurve(epochs: Columns, diagnostics: Diagnostics, kind: XAxis): Curve | null {
  const name = epochs.train_accuracy && epochs.validation_accuracy ? "accuracy" : "loss";
  const validation = epochs[`validation_${name}`];
  const training = epochs[`train_${name}`];
  if (!validation || !training) return null;
  const difference = (values: readonly unknown[]) =>
    validation.map((value, index) => {
      const other = values[index];
      if (value === null || typeof other !== "number") return null;
      return isRising(name) ? other - value : value - other;
    });
  const lines: Line[] = [{ label: `gap of ${name}`, values: difference(training), color: "var(--info)" }];
  const clean = cleanValues(epochs, diagnostics, `train_clean_${name}`);
  if (clean)
    lines.unshift({
      label: "gap without dropout and augmentation",
      values: difference(clean),
      color: "var(--accent)",
    });
  return {
    title: "Generalisation gap",
    x: axisOf(kind, epochPositions(kind, epochs)),
    lines,
    metric: name,
    note: clean ? "" : "Training values are with dropout and augmentation.",
  };
}

function cleanValues(epochs: Columns, diagnostics: Diagnostics, name: string): unknown[] | null {
  const found = diagnostics.clean_gap;
  const column = found?.[name];
  if (!found || !column) return null;
  const byEpoch = new Map((found.epoch ?? []).map((epoch, index) => [epoch, column[index]]));
  return (epochs.epoch ?? []).map((epoch) => byEpoch.get(epoch ?? 0));
}

/** Returns the charts by step: the loss of the training steps, smoothed, with the raw values behind, and the rate. */
export function stepCurves(
  run: Run,
  steps: Columns,
  epochs: Columns,
  kind: XAxis,
  isSmooth: boolean,
): Curve[] {
  const { steps: all, epochs: maximum } = run.progress;
  const x = axisOf(kind, stepPositions(kind, steps, epochs, all / maximum));
  const note = thinningNote(steps, run.progress.step);
  const curves: Curve[] = [];
  if (steps.lr)
    curves.push({
      title: "Learning rate",
      x,
      lines: [rateLine(steps.lr)],
      metric: "lr",
      isLog: isWide(steps.lr),
      note,
    });
  if (!steps.train_loss) return curves;
  const raw = { label: "training loss by step", values: steps.train_loss, color: "var(--info)" };
  const positions = (steps.step ?? []).map((step) => step ?? 0);
  const span = Math.max(run.progress.step * SMOOTHED_SHARE, 10);
  const lines: Line[] = isSmooth
    ? [
        {
          ...raw,
          id: "raw",
          color: "color-mix(in srgb, var(--info) 40%, transparent)",
          width: 1,
          isBackground: true,
        },
        {
          ...raw,
          label: `training loss, smoothed over ${count(Math.round(span), "step")}`,
          id: "smooth",
          values: smoothValues(positions, raw.values, span),
        },
      ]
    : [{ ...raw, width: 1 }];
  return [{ title: "Training loss by step", x, lines, goal: "low", metric: "loss", note }, ...curves];
}

function rateLine(values: Columns[string]): Line {
  return { label: "learning rate", values, color: "var(--warning)" };
}

function isWide(values: Columns[string]): boolean {
  const positive = values.flatMap((value) => (value !== null && value > 0 ? [value] : []));
  return Math.max(...positive) > Math.min(...positive) * WIDE_RANGE;
}

/** Returns for example "Shows 800 of 39,000 steps", or nothing if all are shown. */
export function thinningNote(steps: Columns, total: number): string {
  const shown = steps.step?.length ?? 0;
  return shown < total ? `Shows ${formatWhole(shown)} of ${count(total, "step")}.` : "";
}
