/** By which metric runs are ranked, and groups of runs: the rules of `bakehouse compare`. */
import type { Run } from "../../api/types";
import { isRising } from "../../format";
import { isEqual, type Json } from "../../json";
import { fieldValue, recipeFields } from "./fields";

const FREE_OF_THE_LOSS = ["accuracy", "r2", "mean_absolute_error"];
const SHOWN = ["validation", "test"].flatMap((split) =>
  ["loss", ...FREE_OF_THE_LOSS].map((name) => `${split}_${name}`),
);

/** Returns the metrics of the best epoch; of runs of older versions, only the monitored one. */
export function bestMetrics(run: Run): Record<string, number | null> {
  return run.best ? { [run.best.monitor]: run.best.value, ...run.best.metrics } : {};
}

export interface Ranking {
  metric: string;
  /** Why it is this metric, as a sentence. */
  reason: string;
}

/**
 * Returns the metric that all runs monitor, unless it is a loss and they have different losses. Then, and if they
 * monitor different metrics, one that is free of the loss; null if they have none in common.
 */
export function rankingMetric(runs: readonly Run[]): Ranking | null {
  const measured = runs.filter((run) => run.best);
  const monitors = new Set(measured.flatMap((run) => run.best?.monitor ?? []));
  const losses = new Set(measured.map((run) => JSON.stringify(fieldValue(run, "objective.loss"))));
  const [monitor = "validation_loss"] = monitors;
  const isLoss = monitor.endsWith("loss");
  if (monitors.size <= 1 && (losses.size <= 1 || !isLoss))
    return { metric: monitor, reason: "which they all monitor" };
  const why = losses.size > 1 ? "because their losses differ" : "because their monitors differ";
  const metric = FREE_OF_THE_LOSS.map((name) => `validation_${name}`).find((name) =>
    measured.every((run) => bestMetrics(run)[name] != null),
  );
  return metric ? { metric, reason: why } : null;
}

/** Returns the metrics of the best epochs that have a column, that of the ranking first. */
export function shownMetrics(runs: readonly Run[], ranking: Ranking | null): string[] {
  const present = new Set(runs.flatMap((run) => Object.keys(bestMetrics(run))));
  const first = ranking ? [ranking.metric] : [];
  return [...new Set([...first, ...SHOWN])].filter((name) => present.has(name));
}

/** Returns the runs with the best first; runs without the metric come last, in their present order. */
export function rank<Item>(
  items: readonly Item[],
  metric: string,
  value: (item: Item) => number | null,
): Item[] {
  const sign = isRising(metric) ? -1 : 1;
  return [...items].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return sign * (a - b);
  });
}

/** Groups by the whole recipe without the seed. */
export const BY_RECIPE = "recipe";

export interface Group {
  key: string;
  /** The value of the field in all of these runs. */
  value: Json;
  runs: Run[];
}

/** Returns the runs by the value of a field. Repetitions of a recipe and seed would make the spread too small, and are left out. */
export function groupRuns(runs: readonly Run[], field: string): Group[] {
  const groups = new Map<string, Group>();
  for (const run of withoutRepetitions(runs)) {
    const value: Json = field === BY_RECIPE ? run.recipe_group_sha256 : fieldValue(run, field);
    const key = JSON.stringify(value);
    const group = groups.get(key) ?? { key, value, runs: [] };
    groups.set(key, group);
    group.runs.push(run);
  }
  return [...groups.values()];
}

export function withoutRepetitions(runs: readonly Run[]): Run[] {
  return [...new Map(runs.map((run) => [`${run.recipe_sha256} ${run.dataset_fingerprint}`, run])).values()];
}

/** Returns the fields besides the seed in which the runs of a group differ. */
export function mixedFields(group: Group, field: string): string[] {
  return [...recipeFields(group.runs.map((run) => run.recipe as unknown as Json)).keys()].filter(
    (name) => name !== "seed" && name !== field,
  );
}

export interface Spread {
  n: number;
  mean: number;
  /** Null for a single run. */
  deviation: number | null;
  low: number;
  high: number;
}

/** Returns mean, sample standard deviation and extremes; null without values. */
export function spreadOf(values: readonly (number | null | undefined)[]): Spread | null {
  const found = values.filter((value) => typeof value === "number");
  const n = found.length;
  if (n === 0) return null;
  const mean = found.reduce((sum, value) => sum + value, 0) / n;
  const squares = found.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    n,
    mean,
    deviation: n > 1 ? Math.sqrt(squares / (n - 1)) : null,
    low: Math.min(...found),
    high: Math.max(...found),
  };
}

/** Returns the data sets of the runs: metrics of different data do not compare. */
export function datasetsOf(runs: readonly Run[]): string[] {
  return [...new Set(runs.map((run) => String(fieldValue(run, "dataset.id"))))];
}

/** Whether all of the values are numbers, so that they have an axis. */
export function areNumbers(values: readonly Json[]): boolean {
  return (
    values.every((value) => typeof value === "number") &&
    !values.every((value) => isEqual(value, values[0] ?? null))
  );
}
