import { beforeEach, expect, test, vi } from "vitest";
import type { RunEvent } from "../../api/events";
import type { BriefRun } from "../../api/types";
import { RunList } from "./run_list";

/** The service's runs, newest first. */
let stored: BriefRun[] = [];
const asked: URLSearchParams[] = [];

function aRow(number: number): BriefRun {
  return { id: `run_${number}`, status: "running", queue: null, seconds: 0 } as BriefRun;
}

function answer(address: string): Response {
  const query = new URLSearchParams(address.split("?")[1]);
  asked.push(query);
  const ids = query.getAll("run");
  const after = stored.findIndex((row) => row.id === query.get("after"));
  const rows = ids.length > 0 ? stored.filter((row) => ids.includes(row.id)) : stored.slice(after + 1);
  const data = rows.slice(0, Number(query.get("limit")));
  return Response.json({ data, has_more: data.length < rows.length });
}

const changeOf = (id: string, type = "epoch") =>
  ({ type, run_id: id, data: { status: "succeeded" } }) as RunEvent;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", async (address: string) => answer(address));
  asked.length = 0;
});

async function loadedList(count: number, mayInsert = true): Promise<RunList> {
  stored = Array.from({ length: count }, (_, index) => aRow(count - index));
  const list = new RunList("", () => mayInsert);
  await list.load();
  return list;
}

test("1,000 runs are loaded in two pages, in order and once each", async () => {
  const list = await loadedList(1000);
  expect(list.ids.value).toEqual(stored.map((row) => row.id));
  expect([asked.length, list.hasMore.value]).toEqual([2, false]);
});

test("older runs beyond the first 2,000 are loaded when they are wanted", async () => {
  const list = await loadedList(2600);
  expect([list.ids.value.length, list.hasMore.value]).toEqual([2000, true]);
  await list.loadOlder();
  await list.loadOlder();
  expect([list.ids.value.length, list.hasMore.value]).toEqual([2600, false]);
});

test("events of many runs fetch the changed rows once, and change no other row", async () => {
  const list = await loadedList(3);
  const other = list.row("run_1").value;
  const changed = { ...aRow(2), seconds: 5 };
  stored = [aRow(3), changed, aRow(1)];
  for (let count = 0; count < 9; count++) list.handle(changeOf("run_2"));
  await vi.runAllTimersAsync();
  expect(asked.slice(1).map((query) => query.getAll("run"))).toEqual([["run_2"]]);
  expect(list.row("run_2").value).toEqual(changed);
  expect(list.row("run_1").value).toBe(other);
});

test("a new run waits while it would move the rows that somebody looks at", async () => {
  const list = await loadedList(1, false);
  stored = [aRow(3), aRow(2), aRow(1)];
  for (const id of ["run_2", "run_3"]) list.handle(changeOf(id, "state"));
  await vi.runAllTimersAsync();
  expect([list.ids.value, list.waiting.value]).toEqual([["run_1"], ["run_3", "run_2"]]);
  list.insertWaiting();
  expect([list.ids.value, list.waiting.value]).toEqual([["run_3", "run_2", "run_1"], []]);
});

test("a run that was deleted elsewhere leaves the list when an event asks for it", async () => {
  const list = await loadedList(2);
  stored = stored.slice(0, 1);
  list.handle(changeOf("run_1"));
  await vi.runAllTimersAsync();
  expect(list.ids.value).toEqual(["run_2"]);
});

test("a failed request says why, and a later one takes that back", async () => {
  const list = await loadedList(1);
  vi.stubGlobal("fetch", async () => new Response("", { status: 503 }));
  await list.load();
  expect([list.error.value?.status, list.ids.value.length]).toEqual([503, 1]);
  vi.stubGlobal("fetch", async (address: string) => answer(address));
  await list.load();
  expect(list.error.value).toBe(null);
});
