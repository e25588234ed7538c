import { expect, test } from "vitest";
import { asQuestion, gridOf, placesIn, readValues } from "./documents";

const RECIPE = {
  version: 1,
  name: "mine",
  labels: {},
  seed: 3,
  norm: { type: "batch_norm", momentum: 0.1 },
  dropout: [{ type: "dropout", rate: 0.5 }],
  epochs: 4,
};

test("a question is about the recipe without what belongs to a run", () => {
  expect(asQuestion(RECIPE, { type: "ablation" }, 5)).toEqual({
    recipe: { version: 1, norm: RECIPE.norm, dropout: RECIPE.dropout, epochs: 4 },
    seeds: 5,
    design: { type: "ablation" },
  });
});

test.each([
  ["none, batch_norm", ["none", "batch_norm"]],
  ["0, 0.3", [0, 0.3]],
  ["0, half,", [0, "half"]],
  ['["dropout"], []', [["dropout"], []]],
  ['{"type": "l2", "coefficient": 0.1}, "none"', [{ type: "l2", coefficient: 0.1 }, "none"]],
  ["", []],
])("the values %s are read", (text, values) => {
  expect(readValues(text)).toEqual(values);
});

test("an axis without a place is left out", () => {
  const axes = [
    { pointer: "/norm", values: "none" },
    { pointer: "", values: "1" },
  ];
  expect(gridOf(axes)).toEqual({ type: "grid", axes: { "/norm": ["none"] } });
});

test("the places of a recipe are its fields, and the fields within them", () => {
  expect(placesIn(RECIPE)).toEqual(["/norm", "/norm/momentum", "/dropout", "/epochs"]);
});
