import { expect, test } from "vitest";
import answerText from "../../../ingredients.json?raw";
import { nearest } from "../../charts/scale";
import { type Ingredients, type NumberShape, recipeShape, type Shape } from "./shapes";
import { sliderStops } from "./slider";

const RANGE: NumberShape = {
  kind: "number",
  isInteger: false,
  least: 0,
  most: 1,
  isLeastExcluded: false,
  isMostExcluded: true,
};

/** Returns all numbers of a shape, with their defaults. */
function numbersIn(shape: Shape, usual: unknown): [NumberShape, number | null][] {
  switch (shape.kind) {
    case "number":
      return [[shape, typeof usual === "number" ? usual : null]];
    case "optional":
      return numbersIn(shape.inner, usual);
    case "either":
      return shape.inner.flatMap((each) => numbersIn(each, usual));
    case "list":
      return numbersIn(shape.item, null);
    case "variants":
      return shape.variants.flatMap((each) =>
        each.fields.flatMap((field) => numbersIn(field.shape, field.default)),
      );
    default:
      return [];
  }
}

test("every stop of every slider is an allowed value, and the stops rise", () => {
  const numbers = numbersIn(recipeShape(JSON.parse(answerText) as Ingredients), null);
  expect(numbers.length).toBeGreaterThan(50);
  const faults = numbers.flatMap(([shape, usual]) => {
    const stops = sliderStops(shape, usual);
    return stops.filter(
      (stop, index) =>
        !(shape.isLeastExcluded ? stop > shape.least : stop >= shape.least) ||
        !(shape.isMostExcluded ? stop < shape.most : stop <= shape.most) ||
        (shape.isInteger && !Number.isInteger(stop)) ||
        stop <= (stops[index - 1] ?? -Infinity) ||
        nearest(stops, stop) !== index,
    );
  });
  expect(faults).toEqual([]);
});

test("a range over decades is logarithmic and begins at its end", () => {
  const rates = sliderStops({ ...RANGE, most: 1e6 }, 1e-4);
  expect(rates.slice(0, 3)).toEqual([0, 1e-7, 1.2e-7]);
  expect(rates.at(-1)).toBe(0.1);
  expect(sliderStops(RANGE, 0.5).slice(49, 52)).toEqual([0.49, 0.5, 0.51]);
});

test("a seed has no slider", () => {
  expect(sliderStops({ ...RANGE, isInteger: true, most: 2 ** 32 }, 0)).toEqual([]);
});
