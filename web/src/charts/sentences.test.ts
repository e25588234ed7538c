import { expect, test } from "vitest";
import { describeLine, describeLines } from "./sentences";

const reading = (count: number, goal?: "low" | "high") => ({
  xLabel: "epoch",
  x: Array.from({ length: count }, (_, index) => index + 1),
  goal,
  formatX: String,
  format: (value: number) => String(Number(value.toPrecision(3))),
});
const loss = (...values: (number | null)[]) =>
  describeLine("validation loss", values, reading(values.length, "low"));

test("a loss that overfits fell and then rose", () => {
  expect(loss(2, 1, 0.042, 0.1, 0.3)).toBe("validation loss fell to 0.042 at epoch 3, then rose to 0.3");
});

test("a loss that still falls fell", () => {
  expect(loss(2, 1, 0.5)).toBe("validation loss fell to 0.5 at epoch 3");
});

test("a loss that no longer changes stayed level", () => {
  expect(loss(2, 0.5, 0.501)).toBe("validation loss fell to 0.5 at epoch 2, then stayed level");
});

test("a loss whose first epoch was the best rose", () => {
  expect(loss(0.5, 0.7, 0.9)).toBe("validation loss rose from 0.5 to 0.9");
});

test("a constant stayed, one value is said as it is, and none is said too", () => {
  expect(loss(1, 1, 1)).toBe("validation loss stayed at 1");
  expect(loss(1)).toBe("validation loss is 1 at epoch 1");
  expect(describeLine("loss", [], reading(0))).toBe("loss has no values yet");
  expect(loss(null, null)).toBe("validation loss has no values");
});

test("an accuracy rises to its best", () => {
  expect(describeLine("accuracy", [0.1, 0.9, 0.8], reading(3, "high"))).toBe(
    "accuracy rose to 0.9 at epoch 2, then fell to 0.8",
  );
});

test("a quantity without a goal turns where it is farthest from its start and its end", () => {
  expect(describeLine("learning rate", [0.1, 1, 0.5, 0.01], reading(4))).toBe(
    "learning rate rose to 1 at epoch 2, then fell to 0.01",
  );
  expect(describeLine("learning rate", [1, 0.5, 0.1], reading(3))).toBe(
    "learning rate fell to 0.1 at epoch 3",
  );
});

test("gaps are counted with the plural that the language has", () => {
  expect(loss(2, null, 1)).toBe("validation loss fell to 1 at epoch 3 (no value at 1 epoch)");
  expect(loss(2, null, 1, null, 0.5)).toContain("(no value at 2 epochs)");
  expect(loss(2, 1, null, null)).toContain("(no value from epoch 3 on)");
});

test("many lines are summed up by their ends", () => {
  const lines = ["a", "b", "c", "d"].map((label, index) => ({ label, color: "red", values: [1, index] }));
  expect(describeLines(lines, reading(2, "low"))).toBe("Of 4 lines, a ends lowest (0) and d highest (3).");
});

test("a chart without lines says so", () => {
  expect(describeLines([], reading(0))).toBe("Nothing to show yet.");
});
