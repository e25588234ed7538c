/** Which fields of recipes differ between runs, and fields as text: by the rules of `bakehouse compare`. */
import type { Run } from "../../api/types";
import { isEqual, isList, isObject, type Json, valueAt } from "../../json";

/** A name and labels do not change what is trained. */
const NOT_COMPARED = new Set(["name", "labels", "version"]);

/** By the path of a field, its value in each run. */
export type Fields = Map<string, Json[]>;

/** Returns the fields that are not equal in all recipes; with `all`, every field. */
export function recipeFields(recipes: readonly Json[], { all = false } = {}): Fields {
  const found: Fields = new Map();
  collect([...recipes], "", all, found);
  return found;
}

function collect(values: Json[], path: string, all: boolean, found: Fields): void {
  if (!all && values.every((value) => isEqual(value, values[0] ?? null))) return;
  const inner = innerFields(values);
  if (!inner) {
    found.set(path, values);
    return;
  }
  for (const [name, items] of inner) {
    if (path === "" && NOT_COMPARED.has(name)) continue;
    collect(items, path ? `${path}.${name}` : name, all, found);
  }
}

/** Returns the fields inside values that all have the same fields. Ingredients of several types are one field. */
function innerFields(values: Json[]): Map<string, Json[]> | null {
  if (values.every(isObject) && new Set(values.map((value) => value.type)).size === 1) {
    const names = new Set(values.flatMap((value) => Object.keys(value)));
    return new Map([...names].map((name) => [name, values.map((value) => value[name] ?? null)]));
  }
  if (!values.every(isList)) return null;
  const length = values[0]?.length ?? 0;
  if (length === 0 || values.some((list) => list.length !== length || !list.every(isObject))) return null;
  return new Map(
    Array.from({ length }, (_, index) => [String(index), values.map((list) => list[index] ?? null)]),
  );
}

/** Returns the value of a field such as `norm`, `optimizer.lr` or `labels.owner`; the index of a list of one may be left out. */
export function fieldValue(run: Run, path: string): Json {
  // A run's name and labels can change after its submission.
  let node: Json = { ...(run.recipe as unknown as Record<string, Json>), name: run.name, labels: run.labels };
  for (const step of path.split(".")) {
    const isOnly: boolean = isList(node) && node.length === 1 && !/^\d+$/.test(step);
    node = valueAt(node, isOnly ? [0, step] : [step]) ?? null;
  }
  return node;
}

/** Of each type of ingredient, its main field and the defaults of its fields. */
export type Defaults = ReadonlyMap<string, { main: string | null; fields: ReadonlyMap<string, Json> }>;

/** What the canonical recipe has in place of a default that depends on the data; as in the ingredients of a brief row. */
const USUAL = new Set(["placement=hidden", "loss=cross_entropy", "loss=squared_error"]);

/** Returns a value as text: `batch_norm momentum=0.2`, `dropout 0.5`, `0.001`. */
export function valueText(value: Json, defaults: Defaults): string {
  if (typeof value === "string") return value;
  if (value === null) return "none";
  if (isList(value)) {
    if (value.length === 0) return "none";
    return value.some(isObject)
      ? value.map((each) => valueText(each, defaults)).join(", ")
      : JSON.stringify(value);
  }
  if (!isObject(value)) return JSON.stringify(value);
  const { type, ...fields } = value;
  if (defaults.size === 0 && typeof type === "string") return type;
  const known = defaults.get(String(type));
  const parts = Object.entries(fields).flatMap(([name, inner]) => {
    const text = isObject(inner) ? `(${valueText(inner, defaults)})` : valueText(inner, defaults);
    if (name === known?.main) return inner === null ? [] : [text];
    const isUsual = isEqual(known?.fields.get(name) ?? null, inner) || USUAL.has(`${name}=${text}`);
    return isUsual ? [] : [`${name}=${text}`];
  });
  return [...(typeof type === "string" ? [type] : []), ...parts].join(" ") || "none";
}
