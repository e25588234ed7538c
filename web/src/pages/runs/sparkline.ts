/** Returns the path of a row's curve of levels from 0 to 99; points that are not finite are gaps. */
export function sparklinePath(
  levels: readonly (number | null)[],
  { width, height }: { width: number; height: number },
): string {
  const step = levels.length > 1 ? width / (levels.length - 1) : 0;
  const point = (level: number, index: number) =>
    `${round(index * step)} ${round(height - (level / 99) * height)}`;
  let path = "";
  let isDrawing = false;
  levels.forEach((level, index) => {
    if (level !== null) path += `${isDrawing ? "L" : "M"}${point(level, index)}`;
    isDrawing = level !== null;
  });
  // A line of one point is not visible without a length.
  return levels.length === 1 && path ? `${path}h1` : path;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
