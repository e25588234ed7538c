/** Columns of numbers by epoch or by step, which grow while a run trains. */
import type { Numbers } from "../api/events";

export type Columns = Record<string, (number | null)[]>;
export type Key = "epoch" | "step";

/**
 * Adds a row at the end. Returns whether it was new: a row that the columns have already is ignored, so that an event
 * which was also part of a loaded page is not drawn twice.
 */
export function addRow(columns: Columns, key: Key, row: Numbers): boolean {
  const position = row[key];
  const keys = columns[key] ?? [];
  const last = keys.at(-1) ?? Number.NEGATIVE_INFINITY;
  if (typeof position !== "number" || position <= last) return false;
  columns[key] = keys;
  for (const name of new Set([...Object.keys(columns), ...Object.keys(row)])) {
    if (name !== key && !isNumeric(row[name]) && !(name in columns)) continue;
    const column = columns[name] ?? new Array<number | null>(keys.length).fill(null);
    if (name !== key) column.push(numeric(row[name]));
    columns[name] = column;
  }
  keys.push(position);
  return true;
}

/** Joins loaded columns with rows that events have added since the answer was made. */
export function mergeColumns(loaded: Columns, key: Key, present: Columns): Columns {
  const merged = Object.fromEntries(Object.entries(loaded).map(([name, values]) => [name, [...values]]));
  const count = present[key]?.length ?? 0;
  for (let index = 0; index < count; index++) addRow(merged, key, rowAt(present, index));
  return merged;
}

export function rowAt(columns: Columns, index: number): Numbers {
  return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[index] ?? null]));
}

function isNumeric(value: unknown): boolean {
  return typeof value === "number" || value === null;
}

function numeric(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
