import { expect, test } from "vitest";
import type { Run } from "../../api/types";
import { copyOf, originOf } from "./origin";
import { applyPatch } from "./patch";

const PATCH = (value: number) => [{ op: "replace", path: "/epochs", value }];
const RUN = {
  id: "run_0123456789ab",
  recipe: { name: null, epochs: 1 },
  advice: [{ code: "longer", message: "Longer.", patch: PATCH(2) }],
  verdict: { code: "diverged", message: "Slower.", patch: PATCH(3) },
  further_verdicts: [
    { code: "overfits", message: "Shorter.", patch: PATCH(4) },
    { code: "noisy", message: "Nothing to change.", patch: [] },
  ],
} as unknown as Run;

test.each([
  [null, null, 1],
  ["verdict", null, 3],
  ["diverged", null, 3],
  ["overfits", null, 4],
  ["noisy", null, 1],
  [null, "longer", 2],
  [null, "verdict", 1],
  [null, "nothing", 1],
])("a copy with the patch %s and the advice %s has %i epochs", (patch, advice, epochs) => {
  const copy = copyOf(RUN, patch, advice);
  expect(applyPatch(copy.recipe, copy.patch ?? [])).toMatchObject({ epochs });
});

test("a copy says what was changed, or why nothing was", () => {
  expect(copyOf(RUN, null, "longer").note).toBe(
    "A copy of “run_0123456789ab” with the change that longer suggests. Longer.",
  );
  expect(copyOf(RUN, "noisy", null).note).toContain("unchanged: it has no noisy");
});

test("only what names a recipe is its origin", () => {
  expect(originOf(new URLSearchParams("page=new&patch=verdict&from=run_1&x=2"))).toBe(
    "from=run_1&patch=verdict",
  );
  expect(originOf(new URLSearchParams("page=new"))).toBe("");
});
