import { beforeEach, expect, test, vi } from "vitest";
import { RequestFailed } from "./http";
import { Loader } from "./loader";

let asked: string[][] = [];
let answer: () => Promise<void> = async () => undefined;
const aLoader = () =>
  new Loader((parts) => {
    asked.push([...parts].sort());
    return answer();
  });

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  answer = async () => undefined;
});

test("what changes within the pause is loaded together, and not before", async () => {
  const loader = aLoader();
  for (const part of ["b", "a", "b"]) loader.soon(part);
  expect(asked).toEqual([]);
  await vi.runAllTimersAsync();
  expect(asked).toEqual([["a", "b"]]);
});

test("what changes during a request is loaded after it", async () => {
  let finish: () => void = () => undefined;
  answer = () => new Promise((resolve) => (finish = resolve));
  const loader = aLoader();
  const first = loader.now("a");
  void loader.now("b");
  loader.soon("a");
  await vi.advanceTimersByTimeAsync(9000);
  expect(asked).toEqual([["a"]]);
  finish();
  await first;
  await vi.advanceTimersByTimeAsync(300);
  expect(asked).toEqual([["a"], ["a", "b"]]);
});

test("what could not be loaded is loaded again, with what has changed since", async () => {
  answer = async () => Promise.reject(new RequestFailed("away", 503));
  const loader = aLoader();
  await loader.now("a");
  expect(loader.error.value?.status).toBe(503);
  loader.soon("b");
  answer = async () => undefined;
  await vi.advanceTimersByTimeAsync(3000);
  expect([asked, loader.error.value]).toEqual([[["a"], ["a", "b"]], null]);
});

test("what is not there is not asked for again", async () => {
  answer = async () => Promise.reject(new RequestFailed("not found", 404));
  const loader = aLoader();
  await loader.now("a");
  await vi.runAllTimersAsync();
  expect([asked.length, loader.error.value?.status]).toEqual([1, 404]);
});

test("nothing is loaded after the end, also if the last request fails then", async () => {
  answer = async () => Promise.reject(new RequestFailed("away", 0));
  const loader = aLoader();
  const last = loader.now("a");
  loader.end();
  await last;
  loader.soon("b");
  loader.end();
  await vi.runAllTimersAsync();
  expect(asked).toEqual([["a"]]);
});
