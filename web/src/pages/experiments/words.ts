/** What the page says about experiments: counts, differences, and what can be done. */
import type { Experiment, ExperimentBrief, Results } from "../../api/types";
import { count, formatMetric, formatNumber } from "../../format";

type Counts = ExperimentBrief["counts"];

/** Returns how many runs are over, with those that were trained before. */
export function countOver(reused: number, counts: Counts): number {
  return reused + (counts.succeeded ?? 0) + (counts.failed ?? 0) + (counts.cancelled ?? 0);
}

/** Returns for example "12 of 30 runs, 5 of them trained before, 1 failed". */
export function describeProgress(
  over: number,
  runs: number,
  reused: number,
  counts: Counts,
  givenUp = 0,
): string {
  const parts = [`${over} of ${count(runs, "run")}`];
  if (reused > 0) parts.push(`${reused} of them trained before`);
  if (counts.running) parts.push(`${counts.running} in training`);
  if (counts.failed) parts.push(`${counts.failed} failed`);
  if (givenUp > 0) parts.push(`${givenUp} not trained`);
  return parts.join(", ");
}

/** Returns for example "ablation: 4 arms × 5 seeds × 3 folds". */
export function describeDesign(design: string, arms: number, seeds: number, folds: number | null): string {
  const parts = [count(arms, "arm"), count(seeds, "seed"), ...(folds ? [count(folds, "fold")] : [])];
  return `${design}: ${parts.join(" × ")}`;
}

/** Returns for example "search: 40 trials × 1 seed". */
export function describeSearch(trials: number, seeds: number, folds: number | null): string {
  return `search: ${[count(trials, "trial"), count(seeds, "seed"), ...(folds ? [count(folds, "fold")] : [])].join(" × ")}`;
}

/** The ends of the names of metrics that are shares, whose differences are given in hundredths. */
const SHARES = /(^|_)(accuracy|f1|auroc)$/;

/** Returns the unit of differences of a metric. */
export function unitOfDifference(metric: string): string {
  return SHARES.test(metric) ? "points" : "";
}

type Interval = readonly number[] | null | undefined;

/**
 * Returns a difference with its sign and its interval, for example `+0.31 (-0.04 to 0.66)`. It has the decimals that its
 * uncertainty deserves, as in the sentences of the API: the first digit of that, and the second if the first is 1 or 2.
 */
export function formatDifference(metric: string, mean: number, interval: Interval): string {
  const factor = SHARES.test(metric) ? 100 : 1;
  const [low = mean, high = mean] = interval ?? [];
  const uncertainty = factor * (interval ? (high - low) / 2 : Math.abs(mean));
  const write = (value: number) => writeDecimals(factor * value, uncertainty);
  const text = write(mean);
  const signed = mean > 0 && /[1-9]/.test(text) ? `+${text}` : text;
  return interval ? `${signed} (${write(low)} to ${write(high)})` : signed;
}

function writeDecimals(value: number, uncertainty: number): string {
  if (!(uncertainty > 1e-7 && uncertainty < 1e7)) return formatNumber(value);
  const exponent = Math.floor(Math.log10(uncertainty));
  const places = Math.max(1, (uncertainty < 2.95 * 10 ** exponent ? 1 : 0) - exponent);
  const text = value.toFixed(places);
  return /[1-9]/.test(text) ? text : text.replace("-", "");
}

/** Returns a mean with its interval. */
export function formatMean(metric: string, mean: number | null | undefined, interval: Interval): string {
  const [low, high] = (interval ?? []).map((value) => formatMetric(metric, value));
  return formatMetric(metric, mean) + (interval ? ` (${low} to ${high})` : "");
}

/** Returns the names of the arms that a search compares, its recipe and the confirmed trials; null if there are none. */
export function comparedArms({ arms, baseline, search }: Results): Set<string> | null {
  if (!search || baseline === null) return null;
  return new Set(
    arms.flatMap(({ name, difference, not_compared: reason }) =>
      name === baseline || difference || reason ? [name] : [],
    ),
  );
}

/** Returns the arms with those first that a search compares: its recipe and the confirmed trials. */
export function comparedFirst<Arm extends { name: string }>(arms: readonly Arm[], results: Results): Arm[] {
  const compared = comparedArms(results);
  if (!compared) return [...arms];
  const rank = ({ name }: Arm) => (compared.has(name) ? 0 : 1);
  return [...arms].sort((one, other) => rank(one) - rank(other));
}

export type Action = "pause" | "resume" | "stop" | "cancel";

/** Which buttons an experiment has now. */
export function possibleActions({ status, request }: Pick<Experiment, "status" | "request">): Action[] {
  if (status === "finished" || status === "cancelled" || request === "cancel") return [];
  if (request === "stop") return ["cancel"];
  return [status === "paused" || request === "pause" ? "resume" : "pause", "stop", "cancel"];
}

/** Returns the fields whose values are not those of the experiment. */
export function changesOf(experiment: Experiment, fields: Partial<Experiment>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([name, value]) => value !== experiment[name as keyof Experiment]),
  );
}

/** Returns the place of a run among those of its arm, as in the values of the results: `0`, or `0/2` with folds. */
export function placeOf(run: { seed: number; fold: number | null }): string {
  return run.fold === null ? String(run.seed) : `${run.seed}/${run.fold}`;
}

/** Returns the seeds that follow the present ones. */
export function nextSeeds(seeds: readonly number[], more: number): number[] {
  const first = Math.max(-1, ...seeds) + 1;
  return Array.from({ length: more }, (_, index) => first + index);
}

/** Returns the experiment after an event of one of its runs; null if the run is not known. */
export function withStatus(
  experiment: Experiment,
  run: string,
  status: Experiment["runs"][number]["status"],
): Experiment | null {
  const index = experiment.runs.findIndex((each) => each.run === run);
  const before = experiment.runs[index];
  if (!before) return null;
  return { ...experiment, runs: experiment.runs.with(index, { ...before, status }) };
}
