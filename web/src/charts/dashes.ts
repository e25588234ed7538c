/** Dashed lines that are cheap: with 50 of them a browser's own dashes take longer than a frame. */
type Point = readonly [number, number];

export type Pen = (from: Point, to: Point) => void;
type Path = Pick<Path2D, "moveTo" | "lineTo">;

/** Returns a function that adds segments to a path; what follows on a segment continues its line. */
export function solidPen(path: Path): Pen {
  let end: Point | null = null;
  return (from, to) => {
    if (from !== end) path.moveTo(...from);
    path.lineTo(...to);
    end = to;
  };
}

/**
 * Returns a function that adds those parts of a segment to a path that lie in a dash,
 * measured along the x axis instead of along the line.
 */
export function dashPen(path: Path, lengths: readonly number[]): Pen {
  const period = lengths.reduce((sum, length) => sum + length, 0);
  let end = Number.NaN;
  return (from, to) => {
    const slope = (to[1] - from[1]) / (to[0] - from[0]);
    const height = (x: number) => from[1] + slope * (x - from[0]);
    let start = Math.floor(from[0] / period) * period;
    while (start < to[0]) {
      for (const [index, length] of lengths.entries()) {
        const low = Math.max(start, from[0]);
        const high = Math.min(start + length, to[0]);
        start += length;
        // Each second length is a gap.
        if (index % 2 === 1 || low >= high) continue;
        // A dash over several segments is one path, which is drawn faster.
        if (low !== end) path.moveTo(low, height(low));
        path.lineTo(high, height(high));
        end = high;
      }
    }
  };
}
