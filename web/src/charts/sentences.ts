/** Says in a sentence what a chart shows. */
import { capitalize, count } from "../format";
import type { Line, Values } from "./types";

export interface Reading {
  /** `epoch`, `step` or `elapsed`. */
  xLabel: string;
  x: readonly number[];
  /** Which values are better, where one can say so. */
  goal?: "low" | "high" | undefined;
  formatX: (value: number) => string;
  format: (value: number) => string;
}

/** Changes smaller than this share of the line's range count as none. */
const LEVEL_SHARE = 0.03;
const MOST_LINES = 3;

/** Describes a few lines one by one, and many by the lowest and the highest end. */
export function describeLines(lines: readonly Line[], reading: Reading): string {
  const shown = lines.filter((line) => !line.isBackground);
  if (shown.length === 0) return "Nothing to show yet.";
  if (shown.length > MOST_LINES) return describeMany(shown, reading);
  return capitalize(`${shown.map((line) => describeLine(line.label, line.values, reading)).join("; ")}.`);
}

/** Returns for example "validation loss fell to 0.042 at epoch 12, then rose to 0.061". */
export function describeLine(label: string, values: Values, reading: Reading): string {
  const known = points(values);
  const first = known[0];
  const last = known.at(-1);
  if (!first || !last) return `${label} has no values${reading.x.length > 0 ? "" : " yet"}`;
  if (known.length === 1)
    return `${label} is ${reading.format(first.value)} at ${place(first.index, reading)}`;
  return `${label} ${describeCourse(known, reading)}${describeGaps(values, reading)}`;
}

interface Point {
  index: number;
  value: number;
}

function points(values: Values): Point[] {
  return values.flatMap((value, index) => (typeof value === "number" ? [{ index, value }] : []));
}

function describeCourse(known: readonly Point[], reading: Reading): string {
  const [first, last] = [known[0] as Point, known.at(-1) as Point];
  const [low = first, high = first] = lowestAndHighest(known);
  const level = (high.value - low.value) * LEVEL_SHARE;
  if (reading.format(low.value) === reading.format(high.value))
    return `stayed at ${reading.format(last.value)}`;
  const turn = turningPoint({ first, last, low, high }, reading.goal);
  const move = (from: Point, to: Point) => (to.value < from.value ? "fell" : "rose");
  if (turn.index === first.index)
    return `${move(first, last)} from ${reading.format(first.value)} to ${reading.format(last.value)}`;
  const start = `${move(first, turn)} to ${reading.format(turn.value)} at ${place(turn.index, reading)}`;
  if (turn.index === last.index) return start;
  if (Math.abs(last.value - turn.value) <= level) return `${start}, then stayed level`;
  return `${start}, then ${move(turn, last)} to ${reading.format(last.value)}`;
}

/** The best point where there is a goal, else the extreme that is farther from the straight way from start to end. */
function turningPoint(
  { first, last, low, high }: { first: Point; last: Point; low: Point; high: Point },
  goal: Reading["goal"],
): Point {
  if (goal) return goal === "low" ? low : high;
  const below = Math.min(first.value, last.value) - low.value;
  const above = high.value - Math.max(first.value, last.value);
  if (below <= 0 && above <= 0) return last;
  return below > above ? low : high;
}

function describeGaps(values: Values, reading: Reading): string {
  const gaps = values.filter((value) => value === null).length;
  if (gaps === 0) return "";
  const first = values.indexOf(null);
  if (first > 0 && first + gaps === values.length) return ` (no value from ${place(first, reading)} on)`;
  return ` (no value at ${count(gaps, reading.xLabel === "elapsed" ? "point" : reading.xLabel)})`;
}

function describeMany(lines: readonly Line[], reading: Reading): string {
  const ends = lines.flatMap((line) => {
    const last = points(line.values).at(-1);
    return last ? [{ label: line.label, value: last.value }] : [];
  });
  const [low, high] = lowestAndHighest(ends);
  if (!low || !high) return `${count(lines.length, "line")} without values yet.`;
  return `Of ${count(lines.length, "line")}, ${low.label} ends lowest (${reading.format(low.value)}) and ${high.label} highest (${reading.format(high.value)}).`;
}

function place(index: number, reading: Reading): string {
  const position = reading.formatX(reading.x[index] ?? 0);
  return reading.xLabel === "elapsed" ? position : `${reading.xLabel} ${position}`;
}

/** Returns the first of the least and the first of the greatest values; nothing of an empty list. */
export function lowestAndHighest<Each extends { value: number }>(list: readonly Each[]): Each[] {
  return list.reduce<Each[]>((found, each) => {
    const [low = each, high = each] = found;
    return [each.value < low.value ? each : low, each.value > high.value ? each : high];
  }, []);
}
