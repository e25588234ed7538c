/** What is added to an experiment: the fields of a form, and the body that they become. */
import type { Experiment } from "../../api/types";
import { isObject, type Json, type JsonObject, pathOf } from "../../json";
import { readValues } from "./documents";
import { nextSeeds } from "./words";

/** The fields of the form, as they are written. */
export interface Extension {
  seeds: number;
  name: string;
  patch: string;
  axes: Readonly<Record<string, string>>;
}

interface FieldProblem {
  pointer: string;
  message: string;
}

/** Returns the body to post, or null while there is nothing to add, and what is wrong before it can be posted. */
export function asExtension(
  { seeds }: Pick<Experiment, "seeds">,
  added: Extension,
): { body: JsonObject | null; problems: FieldProblem[] } {
  const problems: FieldProblem[] = [];
  const body: Record<string, Json> = {};
  if (added.seeds > 0) body.seeds = nextSeeds(seeds, added.seeds);
  const name = added.name.trim();
  if (name !== "" || added.patch.trim() !== "") {
    const patch = readPatch(added.patch);
    if (name === "") problems.push({ pointer: "/variants", message: "an arm needs a name" });
    if (patch === null)
      problems.push({
        pointer: "/variants/x/",
        message: 'should be a JSON object, such as {"dropout": 0.3}',
      });
    else if (name !== "") body.variants = { [name]: patch };
  }
  const axes = Object.entries(added.axes).flatMap(([axis, text]) => {
    const values = readValues(text);
    return values.length > 0 ? [[axis, values] as const] : [];
  });
  if (axes.length > 0) body.axes = Object.fromEntries(axes);
  return { body: Object.keys(body).length > 0 && problems.length === 0 ? body : null, problems };
}

function readPatch(text: string): JsonObject | null {
  try {
    const value = JSON.parse(text) as Json;
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Returns the field of the form that a pointer into the body is about: `seeds`, `name`, `patch` or an axis; null if it is none. */
export function fieldOf(pointer: string): string | null {
  const [first, second, ...rest] = pathOf(pointer);
  switch (first) {
    case "seeds":
      return "seeds";
    case "variants":
      return rest.length > 0 ? "patch" : "name";
    case "axes":
      return second ?? null;
    default:
      return null;
  }
}
