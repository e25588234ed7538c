/** Smoothing of series by step, which are too noisy to read. */
import type { Values } from "./types";

/**
 * Returns the exponential moving average over `span` steps. It takes the distance of positions into account, so that a
 * thinned series is smoothed like the whole one, and has no bias to zero at its start. A gap stays a gap.
 */
export function smoothValues(positions: readonly number[], values: Values, span: number): (number | null)[] {
  let sum = 0;
  let weight = 0;
  let before = positions[0] ?? 0;
  return values.map((value, index) => {
    const position = positions[index] ?? before;
    const decay = Math.exp(-(position - before) / span);
    before = position;
    sum *= decay;
    weight *= decay;
    if (value === null || value === undefined) return null;
    sum += value;
    weight += 1;
    return sum / weight;
  });
}
