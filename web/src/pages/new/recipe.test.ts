import { describe, expect, test } from "vitest";
import answerText from "../../../ingredients.json?raw";
import { isEqual, isList, isObject, type Json, type JsonObject, pathOf, pointerOf } from "../../json";
import { formPath, fromRecipe, toRecipe } from "./recipe";
import { type Field, type Ingredients, recipeShape, type Shape } from "./shapes";

/** The answer of `GET /v1/recipes/ingredients`, written by `make check`. */
const answer = JSON.parse(answerText) as Ingredients;
const shape = recipeShape(answer);

/** Returns the same numbers for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    const mixed = Math.imul(state ^ (state >>> 13), 0x297a2d39);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

const TEXTS = ["digits", "none", "adam", "", "a'b\"c", "🥖 \u202eabc", "run_0123456789ab", "12"];

/** Returns a state of the form, drawn at random from all states. */
function draw(shape: Shape, random: () => number): Json {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  switch (shape.kind) {
    case "variants": {
      const variant = pick(shape.variants);
      const type: [string, Json][] = variant.type === null ? [] : [["type", variant.type]];
      return Object.fromEntries([
        ...type,
        ...variant.fields.map((field) => [field.name, drawField(field, random)]),
      ]);
    }
    case "number": {
      const low = Math.max(shape.least, -1e6);
      const value = low + random() ** 4 * (Math.min(shape.most, 1e6) - low);
      return shape.isInteger ? Math.round(value) : pick([value, Number(value.toPrecision(2))]);
    }
    case "numbers":
      return Array.from({ length: Math.floor(random() * 4) }, () => draw(shape.item, random));
    case "list": {
      const items = Array.from({ length: Math.floor(random() * 4) }, () => draw(shape.item, random));
      // The form offers no ingredient that is off as an item of a list.
      return items.filter((each) => !isObject(each) || each.type !== "none");
    }
    case "choice":
      return pick(shape.values);
    case "boolean":
      return random() < 0.5;
    case "optional":
      return random() < 0.5 ? null : draw(shape.inner, random);
    case "either":
      return random() < 0.5 ? pick(shape.values) : draw(pick(shape.inner), random);
    case "text":
      return shape.isNullable && random() < 0.3 ? null : pick(TEXTS);
    case "labels":
      return random() < 0.5 ? {} : { team: pick(TEXTS), __proto__x: "1", constructor: "2" };
    case "json":
      return pick<Json>([null, 1, { deep: ["x"] }]);
  }
}

function drawField(field: Field, random: () => number): Json {
  return !field.required && random() < 0.5
    ? fromRecipe(field.default, field.shape)
    : draw(field.shape, random);
}

describe("form and recipe", () => {
  test.each(Array.from({ length: 400 }, (_, seed) => seed))("a state survives as a recipe (%i)", (seed) => {
    const state = draw(shape, randomNumbers(seed + 1));
    const recipe = JSON.parse(JSON.stringify(toRecipe(state, shape))) as Json;
    expect(fromRecipe(recipe, shape)).toEqual(state);
    expect(toRecipe(fromRecipe(recipe, shape), shape)).toEqual(recipe);
    // A complete recipe, as a run shows it, is a recipe too.
    expect(fromRecipe(state, shape)).toEqual(state);
  });

  test("every variant and every field is drawn", () => {
    const drawn = new Set<string>();
    for (let seed = 0; seed < 400; seed += 1) collect(draw(shape, randomNumbers(seed + 1)), "", drawn);
    const types = answer.families.flatMap((family) =>
      family.variants.map((each) => `/${family.name} ${each.type}`),
    );
    expect(
      types.filter((each) => !each.endsWith(" null") && !each.endsWith(" none") && !drawn.has(each)),
    ).toEqual([]);
  });
});

function collect(value: Json, pointer: string, found: Set<string>): void {
  if (isList(value)) for (const each of value) collect(each, pointer, found);
  if (!isObject(value)) return;
  if (value.type !== undefined) found.add(`${pointer} ${String(value.type)}`);
  for (const [name, inner] of Object.entries(value)) collect(inner, `${pointer}/${name}`, found);
}

test("a recipe is written as a person would write it", () => {
  const state = fromRecipe(
    {
      dataset: { id: "digits", split_seed: 0 },
      architecture: { type: "mlp", hidden: [256, 256] },
      norm: { type: "batch_norm", momentum: 0.1 },
      dropout: [{ type: "dropout", rate: 0.5 }],
      regularizer: [{ type: "l2", coefficient: 0.001 }],
      augmentation: "none",
      epochs: 50,
    },
    shape,
  );
  expect(toRecipe(state, shape)).toEqual({
    dataset: "digits",
    architecture: "mlp",
    norm: "batch_norm",
    dropout: 0.5,
    regularizer: { type: "l2", coefficient: 0.001 },
  });
});

test.each<[Json, JsonObject]>([
  [{ dropout: 0.5 }, { dropout: [{ type: "dropout", rate: 0.5, placement: null }] }],
  [{ dropout: { rate: 0.3 } }, { dropout: [{ type: "dropout", rate: 0.3, placement: null }] }],
  [{ dropout: null }, { dropout: [] }],
  [{ norm: null }, { norm: { type: "none" } }],
  [{ objective: { label_smoothing: 0.2 } }, {}],
  [{ objective: { tasks: "age" } }, {}],
])("short forms are spelt out: %j", (given, expected) => {
  const state = fromRecipe(given, shape);
  expect(state).toMatchObject(expected);
  expect(fromRecipe(toRecipe(state, shape), shape)).toEqual(state);
});

test.each<Json>([
  { dataset: "digits", architecture: "mlp", typo: { rate: 1 } },
  { dataset: "digits", architecture: { type: "transformer", heads: 4 } },
  { dataset: "digits", architecture: { type: "mlp", hidden: "wide", heads: 4 } },
  { dataset: 5, architecture: null, dropout: ["much", [1], { type: 3 }], norm: ["x"], epochs: "many" },
])("what the page does not know is kept: %j", (given) => {
  const recipe = toRecipe(fromRecipe(given, shape), shape);
  expect(isEqual(fromRecipe(recipe, shape), fromRecipe(given, shape))).toBe(true);
  expect(JSON.stringify(recipe)).toContain(
    JSON.stringify(Object.values(given as JsonObject).at(-1)).slice(1, -1),
  );
});

test.each([
  ["/dropout", "/dropout/0/rate"],
  ["/architecture/hidden/0", "/architecture/hidden"],
  ["/norm", "/norm"],
  ["/typo", "/typo"],
  ["/dataset", "/dataset/id"],
  ["/regularizer/coefficient", "/regularizer/0/coefficient"],
  ["/objective/tasks/0/weight", "/objective/tasks/0/weight"],
  ["/epochs", "/epochs"],
  ["", ""],
])("a problem at %s is shown at %s", (posted, shown) => {
  const recipe = {
    dataset: "nope",
    architecture: { type: "mlp", hidden: [0] },
    norm: "batch_norm",
    dropout: 5,
    regularizer: { type: "l2", coefficient: -1 },
    objective: { tasks: [{ target: "age", weight: 0 }] },
    typo: 1,
  };
  expect(pointerOf(formPath(shape, recipe, pathOf(posted)))).toBe(shown);
});

test("a variant that the page has never seen is in the form and in the recipe", () => {
  const extended = structuredClone(answer) as Ingredients;
  const norm = extended.families.find((each) => each.name === "norm");
  const model = norm?.variants.find((each) => each.fields.length > 0);
  if (!norm || !model) throw new Error("the answer has no norm");
  const madeUp = { ...model, type: "sourdough_norm", main: null, fields: model.fields.slice(0, 1) };
  (norm as { variants: unknown }).variants = [...norm.variants, madeUp];
  const wide = recipeShape(extended);
  const state = fromRecipe({ dataset: "digits", architecture: "mlp", norm: "sourdough_norm" }, wide);
  expect(state).toMatchObject({
    norm: { type: "sourdough_norm", [String(model.fields[0]?.name)]: model.fields[0]?.default },
  });
  expect(toRecipe(state, wide)).toMatchObject({ norm: "sourdough_norm" });
});
