import { expect, test } from "vitest";
import { smoothValues } from "./smooth";

const STEPS = Array.from({ length: 200 }, (_, index) => index + 1);

test("a constant stays the same from its first value", () => {
  expect(smoothValues(STEPS, new Array(200).fill(3), 20)).toEqual(new Array(200).fill(expect.closeTo(3)));
});

test("noise becomes smaller and a gap stays a gap", () => {
  const noisy = STEPS.map((step) => (step === 100 ? null : step % 2));
  const smooth = smoothValues(STEPS, noisy, 20);
  expect(smooth[99]).toBeNull();
  expect(Math.abs((smooth[199] ?? 0) - 0.5)).toBeLessThan(0.05);
});
