/** The values at which the slider beside a number's box stops. */
import { decades } from "../../charts/ticks";
import type { NumberShape } from "./shapes";

/** The stops within a power of ten, about equally far apart on a logarithmic scale. */
const MANTISSAS = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8];
const DECADES_AROUND_USUAL = 3;
/** A range whose largest value is this many times the usual one is shown on a logarithmic scale. */
const WIDE = 1000;
const MOST_STOPS = 200;

/** Returns the stops for a range, or none if the range has no two ends or is too wide to be pointed at. */
export function sliderStops(shape: NumberShape, usual: number | null): readonly number[] {
  const { least, most, isInteger } = shape;
  if (!Number.isFinite(least) || !Number.isFinite(most) || (isInteger && most > 1e9)) return [];
  const anchor = usual !== null && usual > 0 ? usual : Math.max(least, isInteger ? 1 : most / WIDE);
  const isWide = least >= 0 && most / anchor >= WIDE;
  const stops = isWide ? logarithmicStops(shape, anchor) : linearStops(shape);
  return stops.filter((each) => isAllowed(shape, each));
}

function isAllowed(shape: NumberShape, value: number): boolean {
  const { least, most, isLeastExcluded, isMostExcluded } = shape;
  return (
    (isLeastExcluded ? value > least : value >= least) && (isMostExcluded ? value < most : value <= most)
  );
}

function linearStops({ least, most, isInteger }: NumberShape): number[] {
  const span = most - least;
  const step = isInteger
    ? Math.max(1, Math.ceil(span / MOST_STOPS))
    : 10 ** Math.floor(Math.log10(span / 50));
  return Array.from({ length: Math.floor(span / step + 1e-9) + 1 }, (_, index) => tidy(least + index * step));
}

function logarithmicStops({ least, most, isInteger }: NumberShape, anchor: number): number[] {
  const reach = 10 ** DECADES_AROUND_USUAL;
  const low = Math.max(least, isInteger ? 1 : tidy(anchor / reach));
  const high = Math.min(most, tidy(anchor * reach));
  const between = decades(low, high)
    .flatMap((power) => MANTISSAS.map((mantissa) => tidy(mantissa * 10 ** power)))
    .filter((value) => value >= low && value < high && (!isInteger || Number.isInteger(value)));
  // The end of the range itself, such as 0, which a logarithm never reaches.
  return [...(least < low ? [least] : []), ...between, high];
}

/** Returns the number without the noise of binary fractions. */
function tidy(value: number): number {
  return Number(value.toPrecision(9));
}
