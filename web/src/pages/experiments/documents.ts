/** The documents of experiments: questions that are asked about a recipe. */
import { isList, isObject, type Json, type JsonObject, pointerOf } from "../../json";

/** What belongs to a run rather than to the question about its recipe. */
const LEFT_OUT = new Set(["seed", "name", "labels"]);

/** Returns the question about a recipe, without a name. */
export function asQuestion(recipe: Json, design: Json, seeds: number): JsonObject {
  const entries = isObject(recipe) ? Object.entries(recipe) : [];
  return {
    recipe: Object.fromEntries(entries.filter(([name]) => !LEFT_OUT.has(name))),
    seeds,
    design,
  };
}

export interface AxisText {
  pointer: string;
  values: string;
}

/** Returns the design that compares all combinations of values; an axis without a place is left out. */
export function gridOf(axes: readonly AxisText[]): JsonObject {
  const named = axes.filter(({ pointer }) => pointer !== "");
  return {
    type: "grid",
    axes: Object.fromEntries(named.map(({ pointer, values }) => [pointer, readValues(values)])),
  };
}

/** Reads `none, batch_norm` or `0, 0.3`, or what JSON writes within a list: a word without quotes is a text. */
export function readValues(text: string): Json[] {
  try {
    return JSON.parse(`[${text}]`) as Json[];
  } catch {
    return text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "")
      .map(readValue);
  }
}

function readValue(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** Returns the places in a recipe that an axis can change: each value that is a number or a word, and each field. */
export function placesIn(recipe: Json): string[] {
  const found = (value: Json, path: string[]): string[] => {
    if (!isObject(value)) return isList(value) && path.length > 1 ? [] : [pointerOf(path)];
    const inner = Object.entries(value).flatMap(([name, each]) =>
      name === "type" ? [] : found(each, [...path, name]),
    );
    return path.length > 0 ? [pointerOf(path), ...inner] : inner;
  };
  return found(recipe, []).filter((pointer) => !LEFT_OUT.has(pointer.slice(1)) && pointer !== "/version");
}
