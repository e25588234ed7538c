/** JSON documents that are never changed in place, and the places in them (RFC 6901). */
import { spellOut } from "./format";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}
export type Path = readonly (string | number)[];

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** Returns the value at a place, or undefined if the document has no such place. */
export function valueAt(document: Json, path: Path): Json | undefined {
  let value: Json | undefined = document;
  for (const step of path) {
    if (isList(value)) value = value[Number(step)];
    else if (isObject(value) && Object.hasOwn(value, step)) value = value[step];
    else return undefined;
  }
  return value;
}

/** Returns the document with another value at a place; `undefined` removes the place. */
export function withValue(document: Json, path: Path, value: Json | undefined): Json {
  const [step, ...rest] = path;
  if (step === undefined) return value ?? null;
  const inner = rest.length > 0 ? withValue(valueAt(document, [step]) ?? {}, rest, value) : value;
  if (isList(document)) {
    return inner === undefined
      ? document.filter((_, index) => index !== Number(step))
      : document.with(Number(step), inner);
  }
  const entries = Object.entries(isObject(document) ? document : {});
  if (inner === undefined) return Object.fromEntries(entries.filter(([name]) => name !== step));
  // Entries rather than an assignment, which would take a field called `__proto__` for something else.
  const isKnown = entries.some(([name]) => name === step);
  const changed: [string, Json][] = entries.map(([name, old]) => [name, name === step ? inner : old]);
  return Object.fromEntries(isKnown ? changed : [...changed, [String(step), inner]]);
}

/** Whether two documents are equal; the order of the fields of an object does not matter. */
export function isEqual(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other) return true;
  if (isList(one) && isList(other)) {
    return one.length === other.length && one.every((each, index) => isEqual(each, other[index]));
  }
  if (isObject(one) && isObject(other)) {
    const names = Object.keys(one);
    return (
      names.length === Object.keys(other).length &&
      names.every((name) => Object.hasOwn(other, name) && isEqual(one[name], other[name]))
    );
  }
  return false;
}

export function pointerOf(path: Path): string {
  return path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** Returns the place that a pointer names as the form labels it: `optimizer › lr`. */
export function placeName(pointer: string): string {
  return pathOf(pointer).map(spellOut).join(" › ") || "the recipe";
}

export function pathOf(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}
