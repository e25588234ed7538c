import { expect, test } from "vitest";
import { describeDifference, formatDifference, isClear, matches, rangeOf } from "./study";

const CLEAR = { mean: 1.95, low: 1.4, high: 2.5 };
const UNCLEAR = { mean: 0.223, low: -0.29, high: 0.736 };
const ACCURACY = { name: "test_accuracy", label: "test accuracy", unit: "%" };

test("a difference has signs, and is clear if its interval leaves out 0", () => {
  expect(formatDifference(UNCLEAR)).toBe("+0.223 (−0.29 to +0.736)");
  expect([CLEAR, UNCLEAR, { mean: -1, low: -2, high: -0.5 }].map(isClear)).toEqual([true, false, true]);
  expect(describeDifference("batch_norm", "plain", CLEAR, ACCURACY)).toBe(
    "batch_norm differs from plain by +1.95 points.",
  );
  expect(describeDifference("dropout", "plain", UNCLEAR, ACCURACY)).toBe(
    "dropout does not clearly differ from plain.",
  );
});

test("the range of the intervals includes 0", () => {
  const [low, high] = rangeOf([CLEAR]);
  expect(low).toBeLessThan(0);
  expect(high).toBeGreaterThan(2.5);
  expect(rangeOf([])[0]).toBeLessThan(0);
});

test("a study is found by words of its question or of its recipes", () => {
  const study = {
    name: "small",
    question: "Do norms help?",
    answer: "Yes.",
    seeds: 5,
    recipes: ["batch_norm"],
  };
  expect(matches(study, "HELP batch")).toBe(true);
  expect(matches(study, "dropout")).toBe(false);
});
