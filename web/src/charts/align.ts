/** Brings lines with positions of their own onto one axis, which is what a chart draws. */
import { isEqual } from "../json";

export interface Series {
  /** Rising. */
  x: readonly number[];
  y: readonly (number | null)[];
}

/** Beyond so many values of all series, positions that are nearer to each other than a part of a pixel are joined. */
const MOST_VALUES = 5_000_000;

/** Returns all positions, and each series' values at them; `undefined` where a series does not have the position. */
export function alignSeries(series: readonly Series[]): { x: number[]; y: (number | null | undefined)[][] } {
  const first = series[0];
  if (first && series.every((each) => isEqual(each.x, first.x)))
    return { x: [...first.x], y: series.map((each) => [...each.y]) };
  const round = rounding(series);
  const x = [...new Set(series.flatMap((each) => each.x.map(round)))].sort((a, b) => a - b);
  const index = new Map(x.map((position, at) => [position, at]));
  const y = series.map((each) => {
    const values = new Array<number | null | undefined>(x.length).fill(undefined);
    for (const [at, position] of each.x.entries())
      values[index.get(round(position)) ?? 0] = each.y[at] ?? null;
    return values;
  });
  return { x, y };
}

function rounding(series: readonly Series[]): (position: number) => number {
  const positions = new Set(series.flatMap((each) => each.x));
  const most = MOST_VALUES / series.length;
  if (positions.size <= most) return (position) => position;
  const low = Math.min(...series.map(({ x }) => x[0] ?? Number.POSITIVE_INFINITY));
  const high = Math.max(...series.map(({ x }) => x.at(-1) ?? Number.NEGATIVE_INFINITY));
  const size = (high - low) / most;
  return (position) => low + Math.round((position - low) / size) * size;
}
