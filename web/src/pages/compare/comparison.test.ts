import { beforeEach, expect, test, vi } from "vitest";
import type { RunEvent } from "../../api/events";
import type { Run } from "../../api/types";

const state = vi.hoisted(() => ({
  follower: null as { load: () => void; handle: (event: RunEvent) => void } | null,
}));
vi.mock("../../api/stream", () => ({
  follow: (_: unknown, follower: NonNullable<typeof state.follower>) => {
    state.follower = follower;
    return () => undefined;
  },
}));

const { Comparison } = await import("./comparison");

let stored: Run[] = [];
let asked: string[] = [];

function aRun(id: string, changes: Partial<Run> = {}): Run {
  return {
    id,
    status: "running",
    updated_at: "2026-01-01T00:00:00Z",
    seconds: 10,
    recipe: { evaluation: { monitor: "validation_loss" } },
    progress: { epoch: 0, epochs: 9, step: 0, steps: 90 },
    ...changes,
  } as unknown as Run;
}

async function answer(address: string): Promise<Response> {
  asked.push(address);
  if (address.includes("/metrics")) return Response.json({ epochs: {} });
  const ids = new URLSearchParams(address.split("?")[1]).getAll("run");
  return Response.json({ data: structuredClone(stored.filter((run) => ids.includes(run.id))) });
}

const event = (run_id: string, type: string, data: object) =>
  state.follower?.handle({ run_id, type, time: "2026-01-01T00:00:05Z", data } as unknown as RunEvent);

async function started() {
  stored = [aRun("a"), aRun("b")];
  const comparison = new Comparison(["a", "b"], "");
  comparison.start();
  await vi.advanceTimersByTimeAsync(0);
  state.follower?.load();
  await vi.advanceTimersByTimeAsync(1000);
  asked = [];
  return comparison;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", answer);
  vi.stubGlobal("requestAnimationFrame", (draw: () => void) => setTimeout(draw));
  state.follower = null;
});

test("epochs are shown from their events, without a request", async () => {
  const comparison = await started();
  const values = { step: 10, validation_loss: 0.5, seconds: 1 };
  event("a", "epoch", { epoch: 1, ...values, is_best: true, epochs_since_best: 0 });
  event("a", "epoch", { epoch: 2, ...values, validation_loss: 0.7, is_best: false, epochs_since_best: 1 });
  await vi.advanceTimersByTimeAsync(1000);
  const [a, b] = comparison.runs.value ?? [];
  expect([a?.progress.epoch, a?.progress.epochs_since_best, a?.best?.epoch, a?.best?.value]).toEqual([
    2, 1, 1, 0.5,
  ]);
  expect([a?.last?.metrics, a?.seconds, b?.progress.epoch]).toEqual([{ validation_loss: 0.7 }, 15, 0]);
  expect(comparison.curve("a").epoch).toEqual([1, 2]);
  expect(asked).toEqual([]);
});

test("another status is shown from its event, and the end of a run loads its metrics of the test split", async () => {
  const comparison = await started();
  event("a", "state", { status: "paused", reason: "paused_by_user", request: null });
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked).toEqual([]);
  expect(comparison.runs.value?.map((run) => [run.status, run.seconds])).toEqual([
    ["paused", 15],
    ["running", 10],
  ]);
  const best = { epoch: 1, monitor: "validation_loss", value: 1, metrics: { test_loss: 2 } };
  stored = [aRun("a"), aRun("b", { status: "succeeded", best })];
  event("b", "state", { status: "succeeded", reason: "epochs_done", request: null });
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked).toEqual(["v1/runs?run=b&limit=100"]);
  expect(comparison.runs.value?.[1]?.best?.metrics).toEqual({ test_loss: 2 });
});
