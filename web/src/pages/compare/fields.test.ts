import { expect, test } from "vitest";
import type { Run } from "../../api/types";
import type { Json } from "../../json";
import { type Defaults, fieldValue, recipeFields, valueText } from "./fields";

const DEFAULTS: Defaults = new Map([
  ["batch_norm", { main: null, fields: new Map<string, Json>([["momentum", 0.1]]) }],
  [
    "dropout",
    {
      main: "rate",
      fields: new Map<string, Json>([
        ["rate", 0.5],
        ["placement", null],
      ]),
    },
  ],
]);

test("only fields that differ are listed, and ingredients of several types are one field", () => {
  const recipes: Json[] = [
    { name: "a", seed: 0, norm: { type: "none" }, optimizer: { type: "adam", lr: 0.1, eps: 1 } },
    {
      name: "b",
      seed: 0,
      norm: { type: "batch_norm", momentum: 0.1 },
      optimizer: { type: "adam", lr: 0.2, eps: 1 },
    },
  ];
  expect([...recipeFields(recipes)]).toEqual([
    ["norm", [{ type: "none" }, { type: "batch_norm", momentum: 0.1 }]],
    ["optimizer.lr", [0.1, 0.2]],
  ]);
  expect([...recipeFields(recipes, { all: true }).keys()]).toEqual([
    "seed",
    "norm",
    "optimizer.type",
    "optimizer.lr",
    "optimizer.eps",
  ]);
});

test("lists of equally many ingredients are compared one by one, others as a whole", () => {
  const dropout = (rate: number): Json => ({ type: "dropout", rate });
  expect([...recipeFields([{ dropout: [dropout(0.1)] }, { dropout: [dropout(0.2)] }])]).toEqual([
    ["dropout.0.rate", [0.1, 0.2]],
  ]);
  expect([...recipeFields([{ dropout: [] }, { dropout: [dropout(0.2)] }]).keys()]).toEqual(["dropout"]);
});

test("a field is found by its path, and the index of a list of one may be left out", () => {
  const run = { name: "n", labels: { owner: "me" }, recipe: { dropout: [{ type: "dropout", rate: 0.2 }] } };
  const value = (path: string) => fieldValue(run as unknown as Run, path);
  expect(
    ["dropout.rate", "dropout.0.rate", "labels.owner", "name", "dropout.1", "norm.eps"].map(value),
  ).toEqual([0.2, 0.2, "me", "n", null, null]);
});

test("a value is as short as it can be read", () => {
  const text = (value: Json) => valueText(value, DEFAULTS);
  expect(text({ type: "batch_norm", momentum: 0.1 })).toBe("batch_norm");
  expect(text({ type: "batch_norm", momentum: 0.2 })).toBe("batch_norm momentum=0.2");
  expect(text([{ type: "dropout", rate: 0.5, placement: "hidden" }])).toBe("dropout 0.5");
  expect(text({ epsilon: 0.1, spread: "uniform" })).toBe("epsilon=0.1 spread=uniform");
  expect([[], null, 0.001, [64, 32], "adam"].map((value) => text(value))).toEqual([
    "none",
    "none",
    "0.001",
    "[64,32]",
    "adam",
  ]);
});
