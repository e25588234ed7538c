import { beforeEach, expect, test, vi } from "vitest";
import type { LogEvent } from "../api/events";

const service = vi.hoisted(() => ({ log: [] as { seq: number; type: string }[], asked: [] as object[] }));

vi.mock("../api/http", () => ({
  get: async (_: string, range: { after?: number; before?: number; limit: number; type: string[] }) => {
    service.asked.push(range);
    const { after = 0, before = Number.POSITIVE_INFINITY, limit, type } = range;
    const all = service.log.filter(
      (each) => each.seq > after && each.seq < before && (type.length === 0 || type.includes(each.type)),
    );
    const data = all.slice(-limit);
    const has_more = all.length > limit;
    return { data, has_more, first_seq: has_more ? data[0]?.seq : 1, last_seq: service.log.length };
  },
}));

const { EventLog } = await import("./event_log");

const event = (seq: number) =>
  ({ seq, type: seq % 100 === 0 ? "epoch" : "step", data: {} }) as unknown as LogEvent;
const grow = (count: number) => {
  const added = Array.from({ length: count }, (_, index) => event(service.log.length + index + 1));
  service.log.push(...added);
  return added;
};
const seqs = (log: InstanceType<typeof EventLog>) => (log.rows.value ?? []).map((each) => each.seq);
const ends = (log: InstanceType<typeof EventLog>) => [seqs(log)[0], seqs(log).at(-1)];

beforeEach(() => {
  service.log = [];
  service.asked = [];
  vi.stubGlobal("requestAnimationFrame", (draw: () => void) => setTimeout(draw));
  vi.stubGlobal("cancelAnimationFrame", clearTimeout);
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

async function open(count: number, types?: LogEvent["type"][]) {
  grow(count);
  const log = new EventLog("r", types);
  await log.load();
  return log;
}

test("a long log opens at its end with one request, and follows what comes", async () => {
  const log = await open(100_000);
  expect(service.asked).toHaveLength(1);
  expect(ends(log)).toEqual([99_801, 100_000]);
  for (const each of grow(3)) log.add(each);
  log.add(event(100_002));
  await vi.runAllTimersAsync();
  expect(ends(log)).toEqual([99_804, 100_003]);
  expect(service.asked).toHaveLength(1);
});

test("older events are loaded page by page until the first, without gaps and repetitions", async () => {
  const log = await open(1234);
  log.hold();
  const seen = new Set(seqs(log));
  while (log.hasOlder.value) {
    const [before] = seqs(log);
    await log.showOlder();
    await vi.runAllTimersAsync();
    expect(seqs(log)[0]).toBeLessThan(before as number);
    expect(seqs(log)).toEqual(Array.from(seqs(log), (_, index) => (seqs(log)[0] as number) + index));
    for (const seq of seqs(log)) seen.add(seq);
  }
  expect([seen.size, seqs(log)[0], service.asked.length]).toEqual([1234, 1, 3]);
});

test("what is read stays while events come, and is left at the end of the log", async () => {
  const log = await open(400);
  log.hold();
  await log.showOlder();
  const before = ends(log);
  for (const each of grow(500)) log.add(each);
  await vi.runAllTimersAsync();
  expect(ends(log)).toEqual(before);
  while (log.end.value !== null) log.showNewer(true);
  expect(ends(log)).toEqual([701, 900]);
});

test("what is missing is loaded, and so much of it that it does not join the rest begins anew", async () => {
  const log = await open(300);
  grow(20);
  log.add(grow(1)[0] as LogEvent);
  await vi.runAllTimersAsync();
  expect(ends(log)).toEqual([122, 321]);
  grow(5000);
  log.add(grow(1)[0] as LogEvent);
  await vi.runAllTimersAsync();
  expect(ends(log)).toEqual([5123, 5322]);
  expect(service.asked).toHaveLength(3);
});

test("events that are followed for long are not all kept", async () => {
  const log = await open(10);
  for (const each of grow(5000)) {
    log.add(each);
    await vi.advanceTimersByTimeAsync(1);
  }
  await vi.runAllTimersAsync();
  expect(ends(log)).toEqual([4811, 5010]);
  while (service.asked.length < 2) await log.showOlder();
  expect((service.asked[1] as { before: number }).before).toBeGreaterThan(1000);
});

test("only events of the chosen types are shown, however far apart they are", async () => {
  const log = await open(30_000, ["epoch"]);
  expect(ends(log)).toEqual([10_100, 30_000]);
  for (const each of grow(200)) log.add(each);
  await vi.runAllTimersAsync();
  expect(ends(log)).toEqual([10_300, 30_200]);
});
