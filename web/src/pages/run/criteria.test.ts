import { expect, test } from "vitest";
import { criteriaFor, settingOf, withType } from "./criteria";

test("criteria that compare losses are offered for losses alone", () => {
  expect(criteriaFor("validation_loss")).toHaveLength(4);
  expect(criteriaFor("validation_accuracy")).toEqual(["patience", "successive_increases"]);
});

test("a choice becomes a setting as in a recipe", () => {
  const choice = { type: "patience", value: 4, minEpochs: 0 };
  expect(settingOf(choice)).toEqual({ type: "patience", patience: 4 });
  expect(settingOf({ ...choice, minEpochs: 8 })).toEqual({ type: "patience", patience: 4, min_epochs: 8 });
  expect(settingOf(withType(choice, "generalization_loss"))).toEqual({
    type: "generalization_loss",
    alpha: 5,
  });
});
