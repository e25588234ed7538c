/** Leaves points out that a screen cannot show, as the service does: each part of a series keeps its extremes. */
import type { Columns, Key } from "./columns";

/** Returns about `most` rows: the first, the last, and those of each metric's lowest and highest value in every part. */
export function thinColumns(columns: Columns, key: Key, most: number): Columns {
  const length = columns[key]?.length ?? 0;
  const metrics = Object.keys(columns).filter((name) => name !== "epoch" && name !== "step");
  const parts = Math.max(Math.floor((most - 2) / (2 * Math.max(metrics.length, 1))), 1);
  const kept = new Set([0, length - 1]);
  for (let part = 0; part < parts; part++) {
    const [start, end] = [Math.floor((length * part) / parts), Math.floor((length * (part + 1)) / parts)];
    for (const name of metrics)
      for (const index of extremes(columns[name] ?? [], start, end)) kept.add(index);
  }
  const indexes = [...kept].sort((a, b) => a - b);
  return Object.fromEntries(
    Object.entries(columns).map(([name, values]) => [name, indexes.map((index) => values[index] ?? null)]),
  );
}

function extremes(values: readonly (number | null)[], start: number, end: number): number[] {
  let low = -1;
  let high = -1;
  for (let index = start; index < end; index++) {
    const value = values[index];
    if (value === null || value === undefined) continue;
    if (low < 0 || value < (values[low] ?? 0)) low = index;
    if (high < 0 || value > (values[high] ?? 0)) high = index;
  }
  return low < 0 ? [] : [low, high];
}
