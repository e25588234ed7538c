import { afterEach, expect, test, vi } from "vitest";
import { bodiesOf } from "../../print";
import { memoryStore } from "../../store";
import { Keys, Submission } from "./submission";

/** Answers requests in turn, and notes the key and the body of each. */
function answer(...answers: (() => Response)[]): { key: string; body: string }[] {
  const seen: { key: string; body: string }[] = [];
  vi.stubGlobal("fetch", (_: string, options: RequestInit) => {
    seen.push({ key: new Headers(options.headers).get("Idempotency-Key") ?? "", body: String(options.body) });
    const next = answers.shift();
    return next ? Promise.resolve(next()) : Promise.reject(new TypeError("no answer"));
  });
  return seen;
}

const created = () => Response.json({ id: "run_0123456789ab" });

afterEach(() => vi.unstubAllGlobals());

test("a retry after a lost answer has the same key, also after a reload", async () => {
  const store = memoryStore();
  const seen = answer();
  await new Submission(new Keys(store)).send(["{}"]);
  await new Submission(new Keys(store)).send(["{}"]);
  expect(seen[0]?.key).toMatch(/^[0-9a-z-]{16,}$/);
  expect(seen[1]?.key).toBe(seen[0]?.key);
});

test("another recipe, and the next press after a success, have another key", async () => {
  const store = memoryStore();
  const submission = new Submission(new Keys(store));
  const seen = answer(created, created, created);
  await submission.send(["{}"]);
  await submission.send(["{}"]);
  await submission.send(['{"seed": 1}']);
  expect(new Set(seen.map((each) => each.key)).size).toBe(3);
});

test("a second press while the first is under way sends nothing", async () => {
  const submission = new Submission(new Keys(memoryStore()));
  const seen = answer(created, created);
  const [first, second] = await Promise.all([submission.send(["{}"]), submission.send(["{}"])]);
  expect([first, second, seen.length]).toEqual([["run_0123456789ab"], null, 1]);
});

test("several seeds are one request each; after a failure in between the same keys are sent again", async () => {
  const submission = new Submission(new Keys(memoryStore()));
  const bodies = bodiesOf({ dataset: "digits", seed: 9 }, [0, 1, 2]);
  expect(bodies.map((each) => JSON.parse(each).seed)).toEqual([0, 1, 2]);
  const seen = answer(created);
  expect(await submission.send(bodies)).toBeNull();
  const again = answer(created, created, created);
  expect(await submission.send(bodies)).toHaveLength(3);
  expect(again.slice(0, 2)).toEqual(seen);
});
