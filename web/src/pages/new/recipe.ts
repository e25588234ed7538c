/**
 * A recipe in its two forms: complete, with every field of every ingredient, as the form holds it; and short, as a
 * person would write it, which is what is shown and sent. What the page does not know is kept as it is.
 */
import { isEqual, isList, isObject, type Json, type JsonObject, type Path } from "../../json";
import type { Field, Shape, Variant, VariantsShape } from "./shapes";

/** The type of what switches a family off. */
export const OFF = "none";

/** Returns the form's state for a recipe in any spelling. */
export function fromRecipe(recipe: Json, shape: Shape): Json {
  switch (shape.kind) {
    case "variants":
      return completeVariant(recipe, shape);
    case "optional":
      return recipe === null || (shape.inner.kind === "variants" && isOff(recipe))
        ? null
        : fromRecipe(recipe, shape.inner);
    case "list":
      return completeList(recipe, shape.item);
    case "numbers":
      return typeof recipe === "number" ? [recipe] : recipe;
    default:
      return recipe;
  }
}

function isOff(value: Json): boolean {
  return value === null || value === OFF || (isObject(value) && value.type === OFF);
}

function completeList(value: Json, item: Shape): Json {
  const items = isList(value) ? value : [value];
  const hasTypes = item.kind === "variants" && item.variants[0]?.type !== null;
  // Without types, "none" in a list is the main value of an item.
  const kept =
    hasTypes || (item.kind === "variants" && !isList(value)) ? items.filter((each) => !isOff(each)) : items;
  return kept.map((each) => fromRecipe(each, item));
}

function completeVariant(value: Json, shape: VariantsShape): Json {
  const spelt = spellOut(value, shape);
  const variant = variantOf(spelt, shape);
  if (!variant || !isObject(spelt)) return spelt;
  const known = variant.fields.flatMap((field): [string, Json][] => {
    const given = Object.hasOwn(spelt, field.name) ? spelt[field.name] : initialValue(field);
    return given === undefined ? [] : [[field.name, fromRecipe(given, field.shape)]];
  });
  const unknown = unknownFields(spelt, variant).map((name): [string, Json] => [name, spelt[name] ?? null]);
  const type: [string, Json][] = variant.type === null ? [] : [["type", variant.type]];
  return Object.fromEntries([...type, ...known, ...unknown]);
}

/** Returns the value of a field that a recipe leaves out, or undefined if the recipe has to say it. */
function initialValue(field: Field): Json | undefined {
  if (!field.required) return field.default;
  const isPart = field.shape.kind === "variants" && field.shape.variants[0]?.type === null;
  return isPart ? {} : undefined;
}

function spellOut(value: Json, { variants, number }: VariantsShape): Json {
  const [first] = variants;
  if (first?.type === null) {
    return isObject(value) || !first.main ? value : Object.fromEntries([[first.main, value]]);
  }
  const main = variants.find((each) => each.type === number)?.main;
  if (value === null) return { type: OFF };
  if (typeof value === "string") return { type: value };
  if (typeof value === "number" && main && number)
    return Object.fromEntries([
      ["type", number],
      [main, value],
    ]);
  return isObject(value) && value.type === undefined && number ? { type: number, ...value } : value;
}

/** Returns the variant that a complete value is of, or undefined if the page does not know it. */
export function variantOf(value: Json | undefined, { variants }: VariantsShape): Variant | undefined {
  if (!isObject(value)) return undefined;
  return variants.find((each) => each.type === null || each.type === value.type);
}

/** Returns the names of the fields that a variant does not have. */
export function unknownFields(value: JsonObject, variant: Variant): string[] {
  const known = new Set(variant.fields.map((field) => field.name));
  return Object.keys(value).filter((name) => !known.has(name) && !(name === "type" && variant.type !== null));
}

/** Returns the recipe that the form's state stands for, without what is a default anyway. */
export function toRecipe(state: Json, shape: Shape): Json {
  switch (shape.kind) {
    case "variants":
      return shortenVariant(state, shape);
    case "optional":
      return shortenOptional(state, shape.inner);
    case "list":
      return isList(state) ? shortenList(state, shape) : state;
    default:
      return state;
  }
}

function shortenOptional(state: Json, inner: Shape): Json {
  const short = state === null ? null : toRecipe(state, inner);
  // A main value such as "none" would switch the part off.
  return state !== null && isOff(short) ? state : short;
}

function shortenList(items: readonly Json[], shape: Shape & { kind: "list" }): Json {
  const short = items.map((each) => toRecipe(each, shape.item));
  const [first] = short;
  const isAlone = short.length === 1 && first !== undefined && shape.item.kind === "variants";
  return isAlone && isEqual(fromRecipe(first, shape), items) ? first : short;
}

function shortenVariant(value: Json, shape: VariantsShape): Json {
  const variant = variantOf(value, shape);
  if (!variant || !isObject(value)) return value;
  const kept = Object.entries(value).filter(([name]) => name !== "type" || variant.type === null);
  const said = kept.flatMap(([name, inner]): [string, Json][] => {
    const field = variant.fields.find((each) => each.name === name);
    if (!field) return [[name, inner]];
    const isDefault = !field.required && isEqual(inner, fromRecipe(field.default, field.shape));
    return isDefault ? [] : [[name, toRecipe(inner, field.shape)]];
  });
  const bare = bareValue(value, said, variant, shape);
  if (bare !== undefined && isEqual(fromRecipe(bare, shape), value)) return bare;
  return Object.fromEntries(variant.type === null ? said : [["type", variant.type], ...said]);
}

/** Returns the short form in which one value stands for the whole variant, if all other fields have their defaults. */
function bareValue(
  value: JsonObject,
  said: readonly [string, Json][],
  variant: Variant,
  shape: VariantsShape,
): Json | undefined {
  const { main, type } = variant;
  const isBare = said.every(([name]) => name === main);
  const mainValue = main === null ? undefined : (said[0]?.[1] ?? value[main]);
  const isShort = typeof mainValue === "number" || typeof mainValue === "string";
  if (isBare && isShort && (type === null || (type === shape.number && typeof mainValue === "number")))
    return mainValue;
  return said.length === 0 && type !== null ? type : undefined;
}

/** Returns the place in the form of a place in the short recipe, as the API's problems name it: the control to mend. */
export function formPath(shape: Shape, recipe: Json | undefined, steps: Path): Path {
  const [step, ...rest] = steps;
  switch (shape.kind) {
    case "optional":
      return formPath(shape.inner, recipe, steps);
    case "list":
      if (!isList(recipe)) return recipe === undefined ? [] : [0, ...formPath(shape.item, recipe, steps)];
      if (step === undefined || Number(step) >= recipe.length) return [];
      return [Number(step), ...formPath(shape.item, recipe[Number(step)], rest)];
    case "variants":
      return variantPath(shape, recipe, steps);
    default:
      return [];
  }
}

function variantPath(shape: VariantsShape, recipe: Json | undefined, steps: Path): Path {
  const spelt = recipe === undefined ? undefined : spellOut(recipe, shape);
  const variant = variantOf(spelt, shape);
  const isBare = !isObject(recipe);
  const step =
    isBare && typeof recipe !== "undefined" && !isTypeName(recipe, shape) ? variant?.main : steps[0];
  const field = variant?.fields.find((each) => each.name === step);
  if (step === undefined || step === null || !variant) return [];
  if (!field) return isObject(recipe) && Object.hasOwn(recipe, step) && step !== "type" ? [step] : [];
  const inner = isBare ? recipe : recipe[field.name];
  return [field.name, ...formPath(field.shape, inner, isBare ? steps : steps.slice(1))];
}

function isTypeName(recipe: Json, shape: VariantsShape): boolean {
  return typeof recipe === "string" && shape.variants[0]?.type !== null;
}
