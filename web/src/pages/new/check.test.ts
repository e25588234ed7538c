import { afterEach, beforeEach, expect, test, vi } from "vitest";
import answerText from "../../../ingredients.json?raw";
import { Check } from "./check";
import { BLANK, Draft } from "./draft";
import { type Ingredients, recipeShape } from "./shapes";

const SHAPE = recipeShape(JSON.parse(answerText) as Ingredients);

type Answer = (body: string, path: string) => Response | Promise<Response>;

/** Answers requests, and notes the path and the body of each. */
function answer(make: Answer): [string, string][] {
  const seen: [string, string][] = [];
  vi.stubGlobal("fetch", (path: string, { body, signal }: { body: string; signal: AbortSignal }) => {
    seen.push([path, body]);
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      Promise.resolve(make(body, path)).then(resolve, reject);
    });
  });
  return seen;
}

function isPicture(path: string): boolean {
  return path === "v1/recipes/preview";
}

function start(): { draft: Draft; check: Check; end: () => void } {
  const draft = new Draft(SHAPE, BLANK, "");
  const check = new Check(draft);
  return { draft, check, end: check.start() };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("letters that follow each other are one question, and its body is what is shown", async () => {
  const seen = answer((body) => Response.json({ recipe: body }));
  const { draft, check, end } = start();
  for (const name of ["b", "br", "bread"]) {
    draft.set(["name"], name);
    await vi.advanceTimersByTimeAsync(100);
  }
  await vi.advanceTimersByTimeAsync(1000);
  expect(seen).toEqual([
    ["v1/runs?validate_only=true", draft.text.value],
    ["v1/recipes/preview", draft.text.value],
  ]);
  expect(check.preview.value).toEqual({ recipe: draft.text.value });
  end();
});

test("a late answer about an earlier recipe is not shown", async () => {
  const late: ((response: Response) => void)[] = [];
  answer((body, path) =>
    !isPicture(path) && body.includes("old")
      ? new Promise((resolve) => late.push(resolve))
      : Response.json({ recipe: "new" }),
  );
  const { draft, check, end } = start();
  draft.set(["name"], "old");
  await vi.advanceTimersByTimeAsync(200);
  draft.set(["name"], "new");
  await vi.advanceTimersByTimeAsync(200);
  late[0]?.(Response.json({ recipe: "old" }));
  await vi.advanceTimersByTimeAsync(200);
  expect(check.preview.value).toEqual({ recipe: "new" });
  end();
});

test("while the service is away the last answer stays, and it is asked again for a minute", async () => {
  let isThere = true;
  const seen = answer((_, path) => {
    if (!isThere) throw new TypeError("no answer");
    return isPicture(path) ? new Response("png") : Response.json({ recipe: "there" });
  });
  const { draft, check, end } = start();
  await vi.advanceTimersByTimeAsync(200);
  const picture = check.picture.value;
  isThere = false;
  draft.set(["name"], "away");
  await vi.advanceTimersByTimeAsync(200);
  expect(check.error.value?.status).toBe(0);
  expect(check.preview.value).toEqual({ recipe: "there" });
  expect(check.picture.value).toBe(picture);
  await vi.advanceTimersByTimeAsync(300_000);
  const asked = seen.length;
  expect(asked).toBeLessThan(20);
  await vi.advanceTimersByTimeAsync(300_000);
  expect(seen.length).toBe(asked);
  isThere = true;
  check.retry();
  await vi.advanceTimersByTimeAsync(200);
  expect(check.error.value).toBeNull();
  end();
});
