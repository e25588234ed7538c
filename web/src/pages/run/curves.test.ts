import { expect, test } from "vitest";
import type { Run } from "../../api/types";
import { gapCurve, marksOf, metricCurves, metricNames, stepCurves, thinningNote } from "./curves";

const EPOCHS = {
  epoch: [1, 2, 3],
  step: [10, 20, 30],
  train_loss: [2, 1, 0.5],
  validation_loss: [2, 1, null],
  train_accuracy: [0.5, 0.75, 1],
  validation_accuracy: [0.5, 0.5, 0.5],
  lr: [1, 1, 1],
  seconds: [1, 1, 1],
  epochs_since_best: [0, 0, 1],
};
const RUN = {
  status: "running",
  best: { epoch: 2 },
  progress: { epoch: 3, epochs: 5, step: 30, steps: 50, patience: 4, epochs_since_best: 1 },
} as unknown as Run;

test("the loss comes first, then the other metrics, validation before training", () => {
  expect(metricNames(EPOCHS)).toEqual(["loss", "accuracy"]);
  const [loss, accuracy] = metricCurves(RUN, EPOCHS, "step");
  expect(loss?.lines.map((line) => line.label)).toEqual(["validation loss", "training loss"]);
  expect(loss?.x.values).toEqual([10, 20, 30]);
  expect([loss?.goal, accuracy?.goal]).toEqual(["low", "high"]);
});

test("the best epoch is marked, and the patience since then; the end only once the run is over", () => {
  const labels = (run: Run) =>
    marksOf(run, EPOCHS, [1, 2, 3]).map(({ label, from, to }) => [label, from, to]);
  expect(labels(RUN)).toEqual([
    ["best: epoch 2", 2, undefined],
    ["patience 1 of 4", 2, 3],
  ]);
  expect(labels({ ...RUN, status: "succeeded" })).toContainEqual(["end: epoch 3", 3, undefined]);
  expect(marksOf({ ...RUN, best: null } as Run, {}, [])).toEqual([]);
});

test("the best epoch, the patience and the end of 100,000 epochs are marked where they were", () => {
  const epoch = Array.from({ length: 100_000 }, (_, index) => index + 1);
  const epochs = {
    epoch,
    validation_loss: epoch.map((each) => Math.abs(each - 98_765)),
    seconds: epoch.map(() => 0.5),
  };
  const progress = { ...RUN.progress, epoch: 100_000, patience: 2000, epochs_since_best: 1235 };
  const run = { ...RUN, status: "succeeded", best: { epoch: 98_765 }, progress } as unknown as Run;
  const [loss] = metricCurves(run, epochs, "elapsed");
  expect(loss?.marks?.map(({ label, from, to }) => [label, from, to])).toEqual([
    ["best: epoch 98765", 49_382.5, undefined],
    ["end: epoch 100000", 50_000, undefined],
    ["patience 1235 of 2000", 49_382.5, 50_000],
  ]);
});

test("the gap is positive where the model is worse on the validation split, and a clean pass is preferred", () => {
  expect(gapCurve(EPOCHS, {}, "epoch")?.lines.map((line) => line.values)).toEqual([[0, 0.25, 0.5]]);
  const clean_gap = { epoch: [1, 3], step: [10, 30], train_clean_accuracy: [0.75, 1] };
  const [clean] = gapCurve(EPOCHS, { clean_gap }, "epoch")?.lines ?? [];
  expect(clean).toMatchObject({ label: "gap without dropout and augmentation", values: [0.25, null, 0.5] });
  expect(
    gapCurve({ epoch: [1], train_loss: [1], validation_loss: [3] }, {}, "epoch")?.lines[0]?.values,
  ).toEqual([2]);
  expect(gapCurve({ epoch: [1], validation_loss: [3] }, {}, "epoch")).toBeNull();
});

test("the loss by step is smoothed with its raw values behind, or raw", () => {
  const steps = { step: [1, 2], train_loss: [4, 2], lr: [0.1, 0.00001] };
  const [loss, rate] = stepCurves(RUN, steps, EPOCHS, "step", true);
  expect(loss?.lines.map((line) => [line.id, line.isBackground ?? false])).toEqual([
    ["raw", true],
    ["smooth", false],
  ]);
  expect(rate?.isLog).toBe(true);
  expect(stepCurves(RUN, steps, EPOCHS, "step", false)[0]?.lines).toHaveLength(1);
});

test("a thinned series says how much it shows", () => {
  expect(thinningNote({ step: new Array(800).fill(1) }, 39_000)).toBe("Shows 800 of 39,000 steps.");
  expect(thinningNote({ step: [1] }, 1)).toBe("");
});
