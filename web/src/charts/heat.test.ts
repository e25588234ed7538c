import { expect, test } from "vitest";
import { describeHeat, heatRange, heatShare } from "./heat";

const HEAT = {
  labels: ["a", "b"],
  rows: [
    [1, null, 0.01],
    [0, 5, 100],
  ],
};

test("a logarithmic range leaves out what is not above 0", () => {
  expect(heatRange(HEAT)).toEqual([0, 100]);
  expect(heatRange({ ...HEAT, isLog: true })).toEqual([0.01, 100]);
  expect(heatRange({ labels: ["a"], rows: [[null]] })).toBeNull();
});

test("a value lies between the ends", () => {
  expect(heatShare(1, [0.01, 100], true)).toBeCloseTo(0.5);
  expect(heatShare(25, [0, 100], false)).toBe(0.25);
  expect(heatShare(0, [0.01, 100], true)).toBeNull();
  expect(heatShare(7, [7, 7], false)).toBe(0);
});

test("a heat map is summed up by its last column", () => {
  expect(describeHeat(HEAT, "epoch 3", String)).toBe("At epoch 3, b is highest (100) and a lowest (0.01).");
  expect(describeHeat({ labels: ["a"], rows: [[null]] }, "epoch 1", String)).toBe("No values yet.");
  expect(describeHeat({ labels: ["a", "b"], rows: [[0], [0]] }, "epoch 1", String)).toBe(
    "At epoch 1, all layers have 0.",
  );
});
