import { expect, test, vi } from "vitest";

vi.hoisted(() => {
  vi.stubGlobal("location", { search: "", pathname: "/" });
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("document", new EventTarget());
});

import { notificationOf } from "./notifications";

const RUN = {
  id: "run_222222222222",
  recipe: { name: "bn-dropout" },
  status: "succeeded",
} as never as Parameters<typeof notificationOf>[0];

test("the title is the run with its end, and the body what the verdict says", () => {
  const verdict = { code: "overfits", message: "Validation loss rose after epoch 12." } as never;
  expect(notificationOf({ ...RUN, reason: "early_stopped", verdict })).toEqual({
    title: "bn-dropout stopped early",
    body: "Validation loss rose after epoch 12.",
  });
});

test("a run without a name and without a verdict has a notification too", () => {
  const run = { ...RUN, recipe: { ...RUN.recipe, name: null }, status: "failed" as const };
  expect(notificationOf({ ...run, reason: "non_finite" })).toEqual({
    title: "run_222222222222 has failed",
    body: "",
  });
});
