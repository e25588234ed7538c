/** Dashed lines that are cheap: with 50 of them a browser's own dashes take longer than a frame. */
import type uPlot from "uplot";

type Point = readonly [number, number];

/** Returns a path builder of uPlot whose dashes are measured along the x axis instead of along the line. */
export function dashedPaths(dash: readonly number[]): uPlot.Series.PathBuilder {
  return (plot, seriesIndex, first, last) => {
    const stroke = new Path2D();
    const addDashes = dashPen(
      stroke,
      dash.map((length) => length * devicePixelRatio),
    );
    const toX = projection(plot, "x");
    const toY = projection(plot, "y");
    const [xs, ys] = [plot.data[0], plot.data[seriesIndex] ?? []];
    let before: Point | null = null;
    for (let index = first; index <= last; index++) {
      const value = ys[index];
      if (value === undefined) continue;
      const point: Point | null = value === null ? null : [toX(xs[index] ?? 0), toY(value)];
      if (before && point) addDashes(before, point);
      before = point;
    }
    return { stroke };
  };
}

/** Returns a function that adds those parts of a segment to a path that lie in a dash. */
export function dashPen(
  path: Pick<Path2D, "moveTo" | "lineTo">,
  lengths: readonly number[],
): (from: Point, to: Point) => void {
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

function projection(plot: uPlot, key: "x" | "y"): (value: number) => number {
  const scale = plot.scales[key];
  const transform = scale?.distr === 3 ? Math.log10 : (value: number) => value;
  const [low, high] = [transform(scale?.min ?? 0), transform(scale?.max ?? 1)];
  const { left, top, width, height } = plot.bbox;
  if (key === "x") return (value) => left + ((transform(value) - low) / (high - low)) * width;
  return (value) => top + height - ((transform(value) - low) / (high - low)) * height;
}
