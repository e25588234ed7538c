import { expect, test } from "vitest";
import type { Run } from "../../api/types";
import { describeState, isDiverged, possibleActions } from "./state";

const PROGRESS = { epoch: 18, epochs: 40, step: 324, steps: 720, patience: 6, epochs_since_best: 6 };
const BEST = { epoch: 12, monitor: "validation_loss", value: 0.0419 };

function run(changes: object): Run {
  return {
    status: "running",
    reason: "claimed",
    request: null,
    progress: PROGRESS,
    best: BEST,
    recipe: {},
    ...changes,
  } as Run;
}
const title = (changes: object) => describeState(run(changes)).title;

test("a run that stopped early names its best epoch and what was not needed", () => {
  expect(describeState(run({ status: "succeeded", reason: "early_stopped" }))).toEqual({
    tone: "good",
    title: "Stopped early at epoch 18: the best was epoch 12; 22 of 40 epochs were not needed",
    text: "Validation loss was no better than 0.0419 for 6 epochs.",
  });
});

test("each other end says how far the run came", () => {
  expect(title({ status: "succeeded", reason: "epochs_done" })).toBe(
    "Trained all 40 epochs; the best was epoch 12",
  );
  expect(title({ status: "succeeded", reason: "stopped_by_user" })).toBe(
    "Stopped at epoch 18 of 40 as asked; the best was epoch 12",
  );
  expect(title({ status: "succeeded", reason: "time_budget" })).toContain("the time budget was used up");
  expect(title({ status: "cancelled" })).toBe("Cancelled after 18 epochs");
  expect(title({ status: "cancelled", progress: { ...PROGRESS, epoch: 1 } })).toBe("Cancelled after 1 epoch");
});

test("a queued run says its place, why it waits and why it waits again", () => {
  const queue = { position: 2, reason: "the worker trains another run" };
  expect(describeState(run({ status: "queued", reason: "worker_lost", queue }))).toMatchObject({
    title: "Waiting: place 2 in the queue",
    text: "The worker trains another run. Its worker was lost; it continues at its last saved step.",
  });
});

test("a failed run says the cause, and that its curves are kept", () => {
  const failure = { code: "non_finite", message: "The loss is not finite from step 7 on", retryable: false };
  const failed = run({ status: "failed", reason: "non_finite", failure });
  expect(describeState(failed)).toEqual({
    tone: "bad",
    title: "Failed after 18 epochs",
    text: "The loss is not finite from step 7 on. The curves until then are below.",
  });
  expect(isDiverged(failed)).toBe(true);
  expect(possibleActions(failed)).toEqual([]);
  expect(possibleActions(run({ status: "failed", failure: { ...failure, retryable: true } }))).toEqual([
    "retry",
  ]);
});

test("a run that trains says how good it is, or what it was asked for", () => {
  expect(describeState(run({}))).toMatchObject({
    title: "Best so far: epoch 12, validation loss 0.0419",
    text: "No better for 6 epochs.",
  });
  expect(title({ best: null })).toBe("Training; no epoch is complete yet");
  expect(describeState(run({ request: "stop" })).text).toContain("keep its best weights");
  expect(describeState(run({ request: "prune" })).text).toContain("keep its best weights");
  expect(title({ status: "succeeded", reason: "pruned" })).toContain("others were better at the same epoch");
});

test("the buttons are those that the state allows", () => {
  expect(possibleActions(run({}))).toEqual(["pause", "stop", "cancel"]);
  expect(possibleActions(run({ request: "pause" }))).toEqual(["resume", "stop", "cancel"]);
  expect(possibleActions(run({ request: "stop" }))).toEqual(["cancel"]);
  expect(possibleActions(run({ request: "prune" }))).toEqual(["stop", "cancel"]);
  expect(possibleActions(run({ request: "cancel" }))).toEqual([]);
  expect(possibleActions(run({ status: "paused" }))).toContain("resume");
  expect(possibleActions(run({ status: "cancelled" }))).toEqual(["retry"]);
  expect(possibleActions(run({ status: "succeeded" }))).toEqual([]);
});
