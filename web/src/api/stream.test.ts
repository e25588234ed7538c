import { beforeEach, expect, test, vi } from "vitest";

class FakeSource extends EventTarget {
  static readonly CLOSED = 2;
  static opened: FakeSource[] = [];
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readyState = 0;

  constructor(readonly address: string) {
    super();
    FakeSource.opened.push(this);
  }

  close(): void {
    this.readyState = FakeSource.CLOSED;
  }

  send(run: string, id: string): void {
    const data = JSON.stringify({ run_id: run, type: "epoch", data: {} });
    this.dispatchEvent(new MessageEvent("epoch", { data, lastEventId: id }));
  }
}

const tab = Object.assign(new EventTarget(), { hidden: false });
const turn = () => new Promise((resolve) => queueMicrotask(() => resolve(null)));
const show = (hidden: boolean) => {
  tab.hidden = hidden;
  tab.dispatchEvent(new Event("visibilitychange"));
};

let stream: typeof import("./stream");

beforeEach(async () => {
  vi.stubGlobal("EventSource", FakeSource);
  vi.stubGlobal("document", tab);
  vi.resetModules();
  FakeSource.opened = [];
  tab.hidden = false;
  stream = await import("./stream");
});

function newest(): FakeSource {
  const source = FakeSource.opened.at(-1);
  if (!source) throw new Error("no stream was opened");
  return source;
}

const follower = () => ({ load: vi.fn(), handle: vi.fn() });

test("two followers share one stream, and each gets the events of its own runs", async () => {
  const [first, second] = [follower(), follower()];
  stream.follow({ run: ["a", "b"] }, first);
  stream.follow({ run: ["b", "c"] }, second);
  await turn();
  expect(FakeSource.opened.map((each) => each.address)).toEqual(["v1/events?run=a&run=b&run=c"]);
  newest().onopen?.();
  newest().send("a", "1-0");
  newest().send("b", "2-0");
  expect(first.load).toHaveBeenCalledTimes(1);
  expect(first.handle).toHaveBeenCalledTimes(2);
  expect(second.handle.mock.calls.map(([event]) => event.run_id)).toEqual(["b"]);
});

test("a stream that gets another run resumes after the last id; only the new follower loads", async () => {
  const [first, second] = [follower(), follower()];
  stream.follow({ run: ["a"] }, first);
  await turn();
  newest().onopen?.();
  newest().send("a", "7-0");
  stream.follow({ run: ["b"] }, second);
  await turn();
  newest().onopen?.();
  expect(newest().address).toBe("v1/events?run=a&run=b&after=7-0");
  expect([first.load, second.load].map((each) => each.mock.calls.length)).toEqual([1, 1]);
});

test("the stream closes in a hidden tab, and resumes when the tab is shown", async () => {
  const only = follower();
  stream.follow({ run: ["a"] }, only);
  await turn();
  newest().onopen?.();
  newest().send("a", "7-0");
  show(true);
  expect(newest().readyState).toBe(FakeSource.CLOSED);
  expect(stream.connection.value).toBe("hidden");
  show(false);
  expect(newest().address).toBe("v1/events?run=a&after=7-0");
});

test("the stream stays open in a hidden tab while a follower needs it there", async () => {
  const end = stream.follow({ run: ["a"] }, follower(), { whileHidden: true });
  await turn();
  show(true);
  expect(newest().readyState).toBe(0);
  end();
  await turn();
  expect(newest().readyState).toBe(FakeSource.CLOSED);
});

test("after a refusal the followers load, which says why, and load again when the stream is back", async () => {
  vi.useFakeTimers();
  const only = follower();
  stream.follow({ run: ["a"] }, only);
  await vi.advanceTimersByTimeAsync(0);
  newest().onopen?.();
  newest().send("a", "7-0");
  newest().close();
  newest().onerror?.();
  expect(stream.connection.value).toBe("cut");
  expect(only.load).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(1000);
  newest().onopen?.();
  expect(newest().address).toBe("v1/events?run=a");
  expect(only.load).toHaveBeenCalledTimes(3);
  vi.useRealTimers();
});

test("who follows nothing loads without a stream", async () => {
  const only = follower();
  stream.follow({ run: [] }, only);
  await turn();
  expect(FakeSource.opened).toEqual([]);
  expect(only.load).toHaveBeenCalledTimes(1);
  expect(stream.connection.value).toBe("idle");
});

test("a follower of every run gets the types that it asked for", async () => {
  const [list, page] = [follower(), follower()];
  stream.follow({ all: true, type: ["epoch"] }, list);
  await turn();
  expect(newest().address).toBe("v1/events?all=true&type=epoch");
  newest().onopen?.();
  stream.follow({ run: ["a"] }, page);
  await turn();
  expect(newest().address).toBe("v1/events?all=true");
  newest().dispatchEvent(
    new MessageEvent("step", {
      data: JSON.stringify({ run_id: "a", type: "step", data: {} }),
      lastEventId: "1-0",
    }),
  );
  newest().send("b", "2-0");
  expect(page.handle).toHaveBeenCalledTimes(1);
  expect(list.handle).toHaveBeenCalledTimes(1);
});

test("a connection that brings nothing for two heartbeats and a half is cut, and made again after the last id", async () => {
  vi.useFakeTimers();
  const only = follower();
  stream.follow({ run: ["a"] }, only);
  await vi.advanceTimersByTimeAsync(0);
  newest().onopen?.();
  newest().send("a", "7-0");
  for (let count = 0; count < 4; count += 1) {
    await vi.advanceTimersByTimeAsync(30_000);
    newest().dispatchEvent(new MessageEvent("heartbeat", { data: "" }));
  }
  expect([FakeSource.opened.length, stream.connection.value]).toEqual([1, "live"]);
  await vi.advanceTimersByTimeAsync(37_500);
  expect([newest().readyState, stream.connection.value]).toEqual([FakeSource.CLOSED, "cut"]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(newest().address).toBe("v1/events?run=a&after=7-0");
  expect(stream.connection.value).toBe("cut");
  newest().onopen?.();
  expect(stream.connection.value).toBe("live");
  expect(only.load).toHaveBeenCalledTimes(1);
  vi.useRealTimers();
});

test("a hidden tab that awaits the end of a run follows that alone", async () => {
  stream.follow({ all: true, type: ["epoch"] }, follower());
  stream.follow({ run: ["a"], type: ["end"] }, follower(), { whileHidden: true });
  await turn();
  newest().onopen?.();
  newest().send("a", "7-0");
  show(true);
  expect(newest().address).toBe("v1/events?run=a&type=end&after=7-0");
  expect(FakeSource.opened.filter((each) => each.readyState !== FakeSource.CLOSED)).toHaveLength(1);
});
