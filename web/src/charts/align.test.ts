import { expect, test } from "vitest";
import { alignSeries } from "./align";

test("series with other positions meet on one axis, and pass over positions that they do not have", () => {
  const aligned = alignSeries([
    { x: [1, 3], y: [10, 30] },
    { x: [2, 3], y: [null, 31] },
  ]);
  expect(aligned).toEqual({
    x: [1, 2, 3],
    y: [
      [10, undefined, 30],
      [undefined, null, 31],
    ],
  });
});

test("many positions are joined to as many as can be seen, in their order", () => {
  const many = Array.from({ length: 50 }, (_, run) => ({
    x: Array.from({ length: 3000 }, (_, index) => index + run / 50),
    y: Array.from({ length: 3000 }, (_, index) => index),
  }));
  const { x, y } = alignSeries(many);
  expect(x.length).toBeLessThanOrEqual(100_001);
  expect(x.every((position, index) => index === 0 || position > (x[index - 1] ?? 0))).toBe(true);
  expect(y[0]?.filter((value) => value !== undefined)).toEqual(many[0]?.y);
});
