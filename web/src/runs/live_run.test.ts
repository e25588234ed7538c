import { beforeEach, expect, test, vi } from "vitest";
import type { RunEvent } from "../api/events";

const state = vi.hoisted(() => ({
  answers: {} as Record<string, unknown>,
  asked: [] as string[],
  follower: null as { load: () => void; handle: (event: RunEvent) => void } | null,
}));

vi.mock("../api/http", async (load) => ({
  ...(await load<typeof import("../api/http")>()),
  get: async (path: string) => {
    state.asked.push(path);
    const answer = state.answers[path.split("/").at(-1) ?? ""];
    if (answer instanceof Error) throw answer;
    return structuredClone(answer);
  },
}));
vi.mock("../api/stream", () => ({
  follow: (_: unknown, follower: NonNullable<typeof state.follower>) => {
    state.follower = follower;
    return () => {
      state.follower = null;
    };
  },
}));

const { LiveRun } = await import("./live_run");
const { RequestFailed } = await import("../api/http");

function answer(status: string, epochs: number): void {
  const list = Array.from({ length: epochs }, (_, index) => index + 1);
  state.answers = {
    r: {
      id: "r",
      status,
      updated_at: String(epochs),
      recipe: {},
      progress: { epoch: epochs, epochs: 9, step: epochs * 10, steps: 90 },
    },
    metrics: { epochs: { epoch: list, loss: list }, steps: {}, diagnostics: {} },
  };
}

const event = (seq: number, type: string, data: object = {}) =>
  ({ run_id: "r", seq, type, data }) as unknown as RunEvent;
const epoch = (seq: number, number: number) =>
  event(seq, "epoch", { epoch: number, step: number * 10, loss: number });
const settle = () => new Promise((resolve) => setTimeout(resolve));

async function start(status: string, epochs: number) {
  answer(status, epochs);
  const live = new LiveRun("r");
  live.start();
  state.follower?.load();
  await settle();
  return live;
}

beforeEach(() => {
  state.asked = [];
  state.follower = null;
  vi.stubGlobal("requestAnimationFrame", (draw: () => void) => setTimeout(draw));
  vi.stubGlobal("window", new EventTarget());
});

test("events add points to what was loaded, and none twice", async () => {
  const live = await start("running", 2);
  for (const each of [epoch(7, 2), epoch(8, 3), epoch(8, 3), epoch(9, 4)]) state.follower?.handle(each);
  expect(live.epochs.epoch).toEqual([1, 2, 3, 4]);
  await settle();
  expect(live.run.value?.progress).toMatchObject({ epoch: 4, step: 40 });
});

test("what is missing between two events is loaded", async () => {
  const live = await start("running", 2);
  state.follower?.handle(epoch(8, 3));
  answer("running", 5);
  state.follower?.handle(epoch(11, 6));
  await settle();
  expect(live.epochs.epoch).toEqual([1, 2, 3, 4, 5, 6]);
});

test("a run is followed until its end is known, also if the service is away at that moment", async () => {
  const live = await start("running", 2);
  vi.useFakeTimers();
  state.answers.r = new RequestFailed("away", 0);
  state.follower?.handle(event(8, "epoch", { epoch: 3, step: 30, loss: 3 }));
  state.follower?.handle(event(9, "end"));
  await vi.advanceTimersByTimeAsync(1000);
  expect(live.error.value).toBeNull();
  expect(state.follower).not.toBeNull();
  answer("succeeded", 3);
  await vi.advanceTimersByTimeAsync(3000);
  vi.useRealTimers();
  expect([live.run.value?.status, live.epochs.epoch]).toEqual(["succeeded", [1, 2, 3]]);
});

test("a run that is over is followed until it is deleted, and asked for no more after that", async () => {
  const live = await start("succeeded", 3);
  vi.useFakeTimers();
  state.answers.r = new RequestFailed("not found", 404);
  state.follower?.handle(event(12, "deleted"));
  await vi.advanceTimersByTimeAsync(1000);
  expect([live.run.value?.status, live.error.value?.status, state.follower]).toEqual([
    "succeeded",
    404,
    null,
  ]);
  state.asked = [];
  await vi.advanceTimersByTimeAsync(60_000);
  expect(state.asked).toEqual([]);
  vi.useRealTimers();
});
