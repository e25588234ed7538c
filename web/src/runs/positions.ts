/** Where the points of a run lie on the x axis: by epoch, by step, or by the time of training elapsed until then. */
import type { Axis } from "../charts/types";
import { formatSeconds, formatWhole } from "../format";
import type { Columns } from "./columns";

export type XAxis = "epoch" | "step" | "elapsed";
export const X_AXES: readonly XAxis[] = ["epoch", "step", "elapsed"];

const FORMATS: Record<XAxis, (value: number) => string> = {
  // A step lies within an epoch, so its position there is a fraction.
  epoch: (value) => (Number.isInteger(value) ? formatWhole(value) : value.toFixed(2)),
  step: formatWhole,
  elapsed: formatSeconds,
};

export function axisOf(kind: XAxis, values: readonly number[]): Axis {
  return { label: kind, values, format: FORMATS[kind] };
}

/** Returns the positions of the rows by epoch. */
export function epochPositions(kind: XAxis, epochs: Columns): number[] {
  if (kind === "elapsed") return elapsedSeconds(epochs).slice(1);
  return (epochs[kind] ?? []).map((value) => value ?? 0);
}

/** Returns the positions of the rows by step. */
export function stepPositions(kind: XAxis, steps: Columns, epochs: Columns, stepsPerEpoch: number): number[] {
  const positions = (steps.step ?? []).map((value) => value ?? 0);
  if (kind === "step") return positions;
  const inEpochs = positions.map((step) => step / stepsPerEpoch);
  return kind === "epoch" ? inEpochs : inEpochs.map(interpolate(elapsedSeconds(epochs)));
}

/** Returns the seconds of training before the first epoch, which are none, and after each. */
function elapsedSeconds(epochs: Columns): number[] {
  const elapsed = [0];
  for (const seconds of epochs.seconds ?? []) elapsed.push((elapsed.at(-1) ?? 0) + (seconds ?? 0));
  return elapsed;
}

/** Returns a function that turns epochs into seconds. The present epoch is taken to be as fast as the last one. */
function interpolate(elapsed: readonly number[]): (epochs: number) => number {
  const known = elapsed.length - 1;
  const pace = known > 0 ? (elapsed[known] ?? 0) - (elapsed[known - 1] ?? 0) : 1;
  return (epochs) => {
    const whole = Math.min(Math.floor(epochs), known);
    const start = elapsed[whole] ?? 0;
    const size = whole < known ? (elapsed[whole + 1] ?? 0) - start : pace;
    return start + (epochs - whole) * size;
  };
}
