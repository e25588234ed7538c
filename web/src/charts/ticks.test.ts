import { expect, test } from "vitest";
import { evenTicks, logTicks, padRange } from "./ticks";

test("a logarithmic axis has powers of ten, and digits between them where there is room", () => {
  expect(logTicks(0.005, 200, 6)).toEqual([0.01, 0.1, 1, 10, 100]);
  expect(logTicks(0.03, 3, 7)).toEqual([0.05, 0.1, 0.2, 0.5, 1, 2].map((tick) => expect.closeTo(tick)));
});

test("a logarithmic axis of many decades leaves some out", () => {
  expect(logTicks(1e-9, 1, 5).length).toBeLessThanOrEqual(5);
});

test("a logarithmic axis within one decade has ticks too", () => {
  expect(logTicks(1.02, 1.09, 5).length).toBeGreaterThanOrEqual(2);
});

test("even ticks are round numbers", () => {
  expect(evenTicks(0.04, 0.42, 4)).toEqual([0.1, 0.2, 0.3, 0.4]);
  expect(evenTicks(0, 40, 4)).toEqual([0, 10, 20, 30, 40]);
});

test("a range without values, and one with a single value, can be drawn", () => {
  expect(padRange(null, null, false)).toEqual([0, 1]);
  const [low, high] = padRange(0, 0, false);
  expect(low).toBeLessThan(high);
  expect(padRange(4, 4, true)).toEqual([2, 8]);
});
