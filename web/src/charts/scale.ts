/** Where a value is on a canvas, and which value is at a position. */
import type { Line, Range, Values } from "./types";
import { lineId } from "./types";

export interface Scale {
  toPixel(value: number): number;
  toValue(pixel: number): number;
}

/** Maps a range of values to a range of pixels, which may run the other way round. */
export function makeScale([low, high]: Range, [start, end]: Range, isLog: boolean): Scale {
  const transform = isLog ? Math.log10 : (value: number) => value;
  const restore = isLog ? (value: number) => 10 ** value : (value: number) => value;
  const origin = transform(low);
  const span = transform(high) - origin || 1;
  return {
    toPixel: (value) => start + ((transform(value) - origin) / span) * (end - start),
    toValue: (pixel) => restore(origin + ((pixel - start) / (end - start)) * span),
  };
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Returns the range of the positions; one position alone gets room on both sides. */
export function xRange(values: readonly number[]): Range {
  const [low, high] = [values[0] ?? 0, values.at(-1) ?? 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** Returns the first and the last index of rising values inside of a range, and one more on both sides. */
export function indicesIn(values: readonly number[], [low, high]: Range): Range {
  return [Math.max(firstFrom(values, low) - 1, 0), Math.min(firstFrom(values, high), values.length - 1)];
}

/** Returns all indices of a range, or, if they are more than can be drawn, those of the extremes of its equal parts. */
export function indicesToDraw(values: Values, [first, last]: Range, most: number): number[] {
  const size = Math.ceil((last - first + 1) / most);
  const found: number[] = [];
  for (let start = first; start <= last; start += size) {
    let [low, high] = [start, start];
    for (let index = start; index < start + size && index <= last; index++) {
      if ((values[index] ?? Infinity) < (values[low] ?? Infinity)) low = index;
      if ((values[index] ?? -Infinity) > (values[high] ?? -Infinity)) high = index;
    }
    found.push(Math.min(low, high));
    if (low !== high) found.push(Math.max(low, high));
  }
  return found;
}

/** Returns the index of the value nearest to another one, or null if there is none. */
export function nearest(values: readonly number[], value: number): number | null {
  if (values.length === 0) return null;
  const after = Math.min(firstFrom(values, value), values.length - 1);
  const before = Math.max(after - 1, 0);
  return value - (values[before] ?? 0) < (values[after] ?? 0) - value ? before : after;
}

function firstFrom(values: readonly number[], bound: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a value can be drawn: a logarithm exists only above 0. */
export function isDrawable(value: number | null | undefined, isLog: boolean): value is number {
  return typeof value === "number" && Number.isFinite(value) && (!isLog || value > 0);
}

/** Returns the least and the greatest drawn value of the shown lines, or nulls if nothing is drawn. */
export function extent(
  lines: readonly Line[],
  hidden: ReadonlySet<string>,
  [first, last]: Range,
  isLog: boolean,
): [number | null, number | null] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const include = (values: Values) => {
    for (let index = first; index <= last; index++) {
      const value = values[index];
      if (!isDrawable(value, isLog)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  };
  for (const line of lines) {
    if (hidden.has(lineId(line))) continue;
    include(line.values);
    if (line.band) {
      include(line.band.low);
      include(line.band.high);
    }
  }
  return low > high ? [null, null] : [low, high];
}
