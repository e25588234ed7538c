/** What a list of runs shows, and in which order. */
import type { BriefRun } from "../../api/types";
import { hasWords, isRising } from "../../format";
import { isOver } from "../../runs/status";
import { verdictTitle } from "../../runs/verdict";

export interface Filter {
  text: string;
  status: string;
  dataset: string;
}

export function matches(row: BriefRun, { text, status, dataset }: Filter): boolean {
  if (status && row.status !== status) return false;
  if (dataset && row.dataset !== dataset) return false;
  const { name, id, architecture, verdict, ingredients } = row;
  const title = verdict && verdictTitle(verdict);
  return hasWords([name, id, row.dataset, architecture, row.loss, verdict, title, ...ingredients], text);
}

type Value = number | string | null;

/** By the name of a column, its value in a row. */
export const COLUMNS = {
  name: (row) => (row.name ?? row.id).toLowerCase(),
  status: (row) => row.status,
  best: (row) => row.best?.value ?? null,
  best_epoch: (row) => row.best?.epoch ?? null,
  epoch: (row) => row.progress.epoch,
  gap: (row) => row.gap?.value ?? null,
  time: (row) => row.seconds,
  verdict: (row) => row.verdict,
} satisfies Record<string, (row: BriefRun) => Value>;

export type ColumnName = keyof typeof COLUMNS;

export interface Sort {
  column: ColumnName;
  isDescending: boolean;
}

/** Reads `best` or `-best`; null for anything else, which is the order of submission. */
export function parseSort(text: string): Sort | null {
  const column = text.replace(/^-/, "");
  return column in COLUMNS ? { column: column as ColumnName, isDescending: text.startsWith("-") } : null;
}

/** Returns the sort after a press on a column: first in one direction, then in the other, then as submitted. */
export function nextSort(present: Sort | null, column: ColumnName, firstIsDescending: boolean): string {
  const [first, second] = firstIsDescending ? [`-${column}`, column] : [column, `-${column}`];
  if (present?.column !== column) return first;
  return present.isDescending === firstIsDescending ? second : "";
}

/** Returns in what the best value of a run has to be equal to that of another, to be compared with it. */
export function comparableBy({ best, dataset, loss }: BriefRun): string {
  return best ? [best.monitor, dataset, best.monitor.endsWith("loss") && loss].join() : "";
}

/** Returns the rows in order. Rows without a value come last, and values that do not compare are not mixed. */
export function sortRows(rows: readonly BriefRun[], sort: Sort | null): BriefRun[] {
  if (!sort) return [...rows];
  const value: (row: BriefRun) => Value = COLUMNS[sort.column];
  const direction = sort.isDescending ? -1 : 1;
  const metric = (row: BriefRun) =>
    sort.column === "best" ? comparableBy(row) : sort.column === "gap" ? (row.gap?.metric ?? "") : "";
  return [...rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return compareValues(metric(one), metric(other)) || direction * compareValues(a, b);
  });
}

function compareValues(a: number | string, b: number | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether the best values come first in descending order: they are accuracies or the like. */
export function areRising(rows: readonly BriefRun[]): boolean {
  return rows.some((row) => row.best && isRising(row.best.monitor));
}

/** Stands in a row for ingredients for which it has no room; the run's own page has them all. */
export const CUT = "…";

/** Returns the ingredients that all of the runs have, which tell nothing about a single one. */
export function sharedIngredients(rows: readonly BriefRun[]): ReadonlySet<string> {
  const [first, ...others] = rows;
  if (!first || others.length === 0) return new Set();
  return new Set(
    first.ingredients.filter((each) => each !== CUT && others.every((row) => row.ingredients.includes(each))),
  );
}

/** Returns the metric that all runs monitor if their values compare, or null. */
export function sharedMonitor(rows: readonly BriefRun[]): string | null {
  const measured = rows.filter((row) => row.best);
  return new Set(measured.map(comparableBy)).size === 1 ? (measured[0]?.best?.monitor ?? null) : null;
}

const ERRORS = new Set(["learned_nothing", "non_finite"]);
const INFOS = new Set(["learned", "not_judged", "cancelled_by_user"]);

/** Returns how grave the verdict of a run is. */
export function gravity(row: BriefRun): "bad" | "warning" | "good" | "quiet" {
  if (row.verdict === "learned") return "good";
  if (row.status === "failed" || ERRORS.has(row.verdict ?? "")) return "bad";
  return INFOS.has(row.verdict ?? "") ? "quiet" : "warning";
}

/** Returns how long the run took, and what is still to come. */
export function remainingSeconds(row: BriefRun): number | null {
  if (isOver(row.status)) return null;
  return row.stops_in_seconds ?? row.eta_seconds;
}
