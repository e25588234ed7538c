import { expect, test } from "vitest";
import type { LogEvent } from "../../api/events";
import { describeEvent } from "./event_text";

const COMMON = { run_id: "run_1", seq: 1, time: "2026-01-01T00:00:00Z", attempt: 1 };
const say = (type: LogEvent["type"], data: object) => describeEvent({ ...COMMON, type, data } as LogEvent);

test("each event is a sentence", () => {
  expect(say("state", { status: "running", reason: "claimed", request: "stop", actor: "worker" })).toBe(
    "running (claimed) by the worker; asked to stop",
  );
  expect(say("step", { step: 3, epoch: 1, train_loss: 2.5, lr: 0.001 })).toBe(
    "step 3: train loss 2.5, lr 0.001",
  );
  expect(
    say("epoch", {
      epoch: 2,
      step: 36,
      validation_accuracy: 0.5,
      train_loss: null,
      is_best: true,
      seconds: 1,
    }),
  ).toBe("epoch 2: validation accuracy 50.0%, train loss –, the best so far");
  expect(say("checkpoint", { epoch: 2, roles: ["best", "last"], bytes: 2048 })).toBe(
    "weights of epoch 2 (best, last), 2 KiB",
  );
  expect(
    say("diagnostic", {
      name: "gradient_norms",
      epoch: 1,
      step: 5,
      layers: ["a"],
      norms: [0.5, 1],
      ratio: 2,
    }),
  ).toBe("gradient norms at epoch 1: norms 0.5 1, ratio 2");
  expect(say("advice", { code: "too_small", pointer: "/epochs", message: "more would help" })).toBe(
    "too small at epochs: more would help",
  );
  expect(say("log", { code: "restarted", message: "from step 0" })).toBe("restarted: from step 0");
  expect(say("end", { status: "succeeded", reason: "epochs_done", verdict: null, message: null })).toBe(
    "succeeded (epochs done)",
  );
});
