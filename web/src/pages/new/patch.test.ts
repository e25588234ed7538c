import { expect, test } from "vitest";
import type { Json } from "../../json";
import { applyPatch, PatchFailed, type PatchStep } from "./patch";

const RECIPE: Json = { norm: { type: "none" }, dropout: [{ rate: 0.5 }, { rate: 0.1 }], "a/b~c": 1 };

test.each<[PatchStep, Json]>([
  [{ op: "replace", path: "/dropout/0/rate", value: 0.2 }, { dropout: [{ rate: 0.2 }, { rate: 0.1 }] }],
  [{ op: "replace", path: "/norm", value: { type: "batch_norm" } }, { norm: { type: "batch_norm" } }],
  [
    { op: "add", path: "/dropout/-", value: { rate: 0.9 } },
    { dropout: [{ rate: 0.5 }, { rate: 0.1 }, { rate: 0.9 }] },
  ],
  [
    { op: "add", path: "/dropout/1", value: { rate: 0.9 } },
    { dropout: [{ rate: 0.5 }, { rate: 0.9 }, { rate: 0.1 }] },
  ],
  [{ op: "add", path: "/seed", value: null }, { seed: null }],
  [{ op: "add", path: "/norm", value: 1 }, { norm: 1 }],
  [{ op: "remove", path: "/dropout/0" }, { dropout: [{ rate: 0.1 }] }],
  [{ op: "replace", path: "/a~1b~0c", value: 2 }, { "a/b~c": 2 }],
])("%j", (step, expected) => {
  expect(applyPatch(RECIPE, [step])).toEqual({ ...(RECIPE as object), ...(expected as object) });
});

test("the whole document can be replaced", () => {
  expect(applyPatch(RECIPE, [{ op: "replace", path: "", value: { seed: 1 } }])).toEqual({ seed: 1 });
});

test("steps see what earlier steps did, and the original stays", () => {
  const before = JSON.stringify(RECIPE);
  const steps: PatchStep[] = [
    { op: "remove", path: "/dropout/0" },
    { op: "remove", path: "/dropout/0" },
    { op: "add", path: "/dropout/-", value: 1 },
  ];
  expect(applyPatch(RECIPE, steps)).toMatchObject({ dropout: [1] });
  expect(JSON.stringify(RECIPE)).toBe(before);
});

test.each<PatchStep>([
  { op: "replace", path: "/dropout/2/rate", value: 1 },
  { op: "remove", path: "/nothing" },
  { op: "add", path: "/dropout/3", value: 1 },
  { op: "add", path: "/dropout/x", value: 1 },
  { op: "add", path: "/nothing/rate", value: 1 },
  { op: "replace", path: "/__proto__/x", value: 1 },
])("a step that does not fit is refused: %j", (step) => {
  expect(() => applyPatch(RECIPE, [step])).toThrow(PatchFailed);
});
