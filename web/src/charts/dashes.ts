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
  let end = Number.NaN;
  return (from, to) => {
    const slope = to[0] > from[0] ? (to[1] - from[1]) / (to[0] - from[0]) : 0;
    const height = (x: number) => from[1] + slope * (x - from[0]);
    for (let x = from[0]; x < to[0]; ) {
      const { isLine, left } = placeInDashes(x, lengths);
      const next = Math.min(x + left, to[0]);
      if (isLine) {
        // A dash over several segments is one path, which is drawn faster.
        if (x !== end) path.moveTo(x, height(x));
        path.lineTo(next, height(next));
        end = next;
      }
      x = next;
    }
  };
}

/** Says whether a position is in a line or in a gap, and how much of it is left. */
function placeInDashes(x: number, lengths: readonly number[]): { isLine: boolean; left: number } {
  let rest = x % lengths.reduce((sum, length) => sum + length, 0);
  for (const [index, length] of lengths.entries()) {
    // A remainder below this would never end the loop above, because numbers are rounded.
    if (length - rest > 1e-6) return { isLine: index % 2 === 0, left: length - rest };
    rest = Math.max(rest - length, 0);
  }
  return { isLine: true, left: lengths[0] ?? 1 };
}
