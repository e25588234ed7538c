/** What a chart shows. */

/** `null` is a gap in the line; `undefined` is a position that the line does not have, and that it passes over. */
export type Values = readonly (number | null | undefined)[];

export interface Axis {
  label: string;
  /** Rising. */
  values: readonly number[];
  format?: (value: number) => string;
}

export interface Line {
  /** Identifies the line while it comes and goes; its label unless given. */
  id?: string;
  label: string;
  /** Any CSS colour, also a token such as `var(--accent)`. */
  color: string;
  /** Lengths of line and gap in pixels; none is a line without gaps. */
  dash?: readonly number[];
  width?: number;
  values: Values;
  /** An area, for example the spread over the seeds of a recipe. */
  band?: { low: Values; high: Values };
  /** Drawn behind another line as its raw values; neither in the legend nor in the sentence. */
  isBackground?: boolean;
}

/** A vertical line at `from`, or a shaded area up to `to`. */
export interface Mark {
  label: string;
  color: string;
  from: number;
  to?: number;
}

/** A horizontal area, such as the values that are as they should be. */
export interface Level {
  label: string;
  color: string;
  low: number;
  high: number;
}

export type Range = readonly [number, number];

export function lineId(line: Line): string {
  return line.id ?? line.label;
}
