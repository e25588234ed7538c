/** Ranges and ticks of axes. */
import type { Range } from "./types";

/** Returns a range with some room on both sides; logarithmic ranges get the room as a factor. */
export function padRange(low: number | null, high: number | null, isLog: boolean): Range {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high))
    return [isLog ? 0.1 : 0, 1];
  if (isLog) {
    const factor = high > low ? (high / low) ** 0.06 : 2;
    return [low / factor, high * factor];
  }
  const room = high > low ? (high - low) * 0.06 : Math.max(Math.abs(high) * 0.1, 1e-6);
  return [low - room, high + room];
}

/** Returns the ticks of a logarithmic axis: powers of ten, with 2 and 5 between them if there are few, or even steps. */
export function logTicks(low: number, high: number, most: number): number[] {
  for (const digits of [[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const ticks = decades(low, high).flatMap((power) => digits.map((digit) => digit * 10 ** power));
    const inside = ticks.filter((tick) => tick >= low && tick <= high);
    if (inside.length <= most && inside.length >= 2) return inside;
  }
  const powers = decades(low, high).filter((power) => 10 ** power >= low && 10 ** power <= high);
  if (powers.length < 2) return evenTicks(low, high, most);
  const every = Math.ceil(powers.length / most);
  return powers.filter((power) => power % every === 0).map((power) => 10 ** power);
}

/** Returns ticks at multiples of 1, 2 or 5 times a power of ten. */
export function evenTicks(low: number, high: number, most: number): number[] {
  const size = (high - low) / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(size));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= size) ?? 10);
  const first = Math.ceil(low / step);
  const count = Math.floor(high / step) - first + 1;
  // Multiplied rather than added up, so that 0.3 is not 0.30000000000000004.
  return Array.from({ length: Math.max(count, 0) }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
}

/** Returns the powers of ten that a range touches. */
export function decades(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low));
  return Array.from({ length: Math.ceil(Math.log10(high)) - first + 1 }, (_, index) => first + index);
}
