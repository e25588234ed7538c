/** Columns of values by epoch or by step, which grow while a run trains. */
import type { Numbers } from "../api/events";

export type Columns<Value = number> = Record<string, (Value | null)[]>;
export type Key = "epoch" | "step";

/** The columns of each diagnostic: numbers, texts, or lists with one value a layer. */
export type Diagnostics = Record<string, Columns<unknown>>;

/**
 * Adds a row at the end. Returns whether it was new: a row that the columns have already is ignored, so that an event
 * which was also part of a loaded page is not drawn twice.
 */
export function addRow<Value>(columns: Columns<Value>, key: Key, row: Record<string, Value | null>): boolean {
  const keys = columns[key] ?? [];
  const last = keys.at(-1);
  if (typeof last === "number" && Number(row[key]) <= last) return false;
  const { length } = keys;
  for (const name of new Set([...Object.keys(columns), ...Object.keys(row)])) {
    columns[name] ??= new Array<null>(length).fill(null);
    columns[name].push(row[name] ?? null);
  }
  return true;
}

/** Returns the numbers of an event, which has other values too. */
export function numbersOf(data: Numbers): Record<string, number | null> {
  const entries = Object.entries(data).filter(([, value]) => typeof value === "number" || value === null);
  return Object.fromEntries(entries) as Record<string, number | null>;
}

/** Joins loaded columns with rows that events have added since the answer was made. */
export function mergeColumns<Value>(
  loaded: Columns<Value>,
  key: Key,
  present: Columns<Value>,
): Columns<Value> {
  const merged = Object.fromEntries(Object.entries(loaded).map(([name, values]) => [name, [...values]]));
  const last = Number(merged[key]?.at(-1) ?? -1);
  for (const [index, each] of (present[key] ?? []).entries())
    if (Number(each) > last) addRow(merged, key, rowAt(present, index));
  return merged;
}

/**
 * Returns a function that draws with the next frame, or later: drawing takes longer the more epochs there are. Calls in
 * the meantime are one.
 */
export function gather(draw: () => void, countEpochs: () => number): () => void {
  let isPlanned = false;
  const drawNow = () => {
    isPlanned = false;
    draw();
  };
  return () => {
    if (!isPlanned) setTimeout(() => requestAnimationFrame(drawNow), countEpochs() / 100);
    isPlanned = true;
  };
}

function rowAt<Value>(columns: Columns<Value>, index: number): Record<string, Value | null> {
  return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[index] ?? null]));
}

/** Adds the values of an epoch. Returns whether they were new. */
export function addDiagnostic(
  diagnostics: Diagnostics,
  { name, ...row }: Record<string, unknown> & { name: string },
): boolean {
  diagnostics[name] ??= {};
  return addRow(diagnostics[name], "epoch", row);
}

/** Joins loaded diagnostics with what events have added since. */
export function mergeDiagnostics(loaded: Diagnostics, present: Diagnostics): Diagnostics {
  const names = new Set([...Object.keys(loaded), ...Object.keys(present)]);
  return Object.fromEntries(
    [...names].map((name) => [name, mergeColumns(loaded[name] ?? {}, "epoch", present[name] ?? {})]),
  );
}
