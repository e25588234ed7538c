import { afterEach, expect, test, vi } from "vitest";
import { create } from "./http";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("a request is given up after half a minute, or after the time that its answer may take", async () => {
  vi.stubGlobal("fetch", async () => Response.json({ id: "a" }));
  const timeout = vi.spyOn(AbortSignal, "timeout");
  expect(await create("v1/runs", {})).toEqual({ id: "a" });
  await create("v1/experiments/a/ensembles", {}, { maxWaitMs: 65_000 });
  expect(timeout.mock.calls).toEqual([[30_000], [65_000]]);
});
