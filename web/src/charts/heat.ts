/** What a heat map says and how it is coloured. */
import { clamp, isDrawable } from "./scale";
import { lowestAndHighest } from "./sentences";

export interface Heat {
  /** One row of values for each label; `null` is an empty cell. */
  labels: readonly string[];
  rows: readonly (readonly (number | null)[])[];
  isLog?: boolean;
}

/** Returns the lowest and the highest value; those that a logarithm does not have are left out. */
export function heatRange({ rows, isLog = false }: Heat): readonly [number, number] | null {
  const drawn = rows.flat().flatMap((value) => (isDrawable(value, isLog) ? [{ value }] : []));
  const [low, high] = lowestAndHighest(drawn);
  return low && high ? [low.value, high.value] : null;
}

/** Returns where a value lies between the lowest (0) and the highest (1); null for a value that has no place. */
export function heatShare(
  value: number | null,
  [low, high]: readonly [number, number],
  isLog = false,
): number | null {
  if (!isDrawable(value, isLog)) return null;
  const scale = isLog ? Math.log : (each: number) => each;
  if (high <= low) return 0;
  return clamp((scale(value) - scale(low)) / (scale(high) - scale(low)), 0, 1);
}

/** Returns for example "At the end hidden1 is highest (0.35) and head lowest (0.13)". */
export function describeHeat(
  { labels, rows }: Heat,
  place: string,
  format: (value: number) => string,
): string {
  const ends = rows.flatMap((row, index) => {
    const value = row.at(-1);
    return typeof value === "number" ? [{ label: labels[index] ?? "", value }] : [];
  });
  const [low, high] = lowestAndHighest(ends);
  if (!low || !high) return "No values yet.";
  if (ends.length === 1) return `At ${place}, ${low.label} has ${format(low.value)}.`;
  if (format(low.value) === format(high.value)) return `At ${place}, all layers have ${format(low.value)}.`;
  return `At ${place}, ${high.label} is highest (${format(high.value)}) and ${low.label} lowest (${format(low.value)}).`;
}
