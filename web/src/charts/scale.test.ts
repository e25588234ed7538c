import { expect, test } from "vitest";
import { extent, indicesIn, indicesToDraw, makeScale, nearest, xRange } from "./scale";

test.each([
  [[0, 10], [100, 200], false, 5, 150],
  [[0, 10], [200, 100], false, 2.5, 175],
  [[1, 100], [0, 100], true, 10, 50],
] as const)("a value has a pixel and back: %s on %s", (range, pixels, isLog, value, pixel) => {
  const scale = makeScale(range, pixels, isLog);
  expect(scale.toPixel(value)).toBeCloseTo(pixel);
  expect(scale.toValue(pixel)).toBeCloseTo(value);
});

test("one position alone is in the middle", () => {
  expect(xRange([3])).toEqual([2.5, 3.5]);
  expect(xRange([])).toEqual([0, 1]);
});

test("the lines that enter and leave a range are drawn too", () => {
  expect(indicesIn([1, 2, 3, 4, 5], [2.5, 3.5])).toEqual([1, 3]);
  expect(indicesIn([1, 2, 3, 4, 5], [0, 9])).toEqual([0, 4]);
});

test.each([
  [[1, 2, 4], 2.9, 1],
  [[1, 2, 4], 3.1, 2],
  [[1, 2, 4], -5, 0],
  [[1, 2, 4], 50, 2],
  [[], 1, null],
])("in %s the value nearest to %f has the index %s", (values, value, index) => {
  expect(nearest(values, value)).toBe(index);
});

test("hidden lines, gaps and what has no logarithm do not count for the range", () => {
  const lines = [
    { label: "a", color: "red", values: [5, null, -1, Number.NaN], band: { low: [4], high: [6] } },
    { label: "b", color: "red", values: [100] },
  ];
  expect(extent(lines, new Set(["b"]), [0, 3], true)).toEqual([4, 6]);
  expect(extent(lines, new Set(["a", "b"]), [0, 3], false)).toEqual([null, null]);
});

test("of more values than can be drawn, the extremes of equal parts are drawn, and gaps stay", () => {
  const values: (number | null | undefined)[] = Array.from({ length: 100_000 }, (_, index) => index % 7);
  values[54_321] = 99;
  values[54_322] = -99;
  values.fill(null, 70_000, 90_000);
  const drawn = indicesToDraw(values, [0, values.length - 1], 2000);
  expect(drawn.length).toBeLessThanOrEqual(4000);
  expect(drawn).toEqual([...drawn].sort((a, b) => a - b));
  expect(drawn).toEqual(expect.arrayContaining([54_321, 54_322]));
  expect(drawn.some((index) => values[index] === null)).toBe(true);
  expect(indicesToDraw([1, undefined, null], [0, 2], 2000)).toEqual([0, 1, 2]);
});
