/** JSON Patch (RFC 6902), as far as advice and verdicts use it. */
import { isList, isObject, type Json, type Path, pathOf, valueAt, withValue } from "../../json";

export interface PatchStep {
  op: "add" | "replace" | "remove";
  path: string;
  value?: unknown;
}

/** Raised if a patch does not fit the document; the message says which step. */
export class PatchFailed extends Error {}

/** Returns the patched document. If one step does not fit, none is applied. */
export function applyPatch(document: Json, steps: readonly PatchStep[]): Json {
  return steps.reduce(applyStep, document);
}

function applyStep(document: Json, { op, path: pointer, value }: PatchStep): Json {
  const path = pathOf(pointer);
  const parent = valueAt(document, path.slice(0, -1));
  const last = path.at(-1);
  if (op === "add" && isList(parent) && last !== undefined) {
    return insert(document, path.slice(0, -1), parent, last, value as Json, pointer);
  }
  const isThere = valueAt(document, path) !== undefined;
  if (op === "add" ? path.length > 0 && !isObject(parent) : !isThere) {
    throw new PatchFailed(`The change does not fit this recipe at ${pointer}.`);
  }
  return withValue(document, path, op === "remove" ? undefined : (value as Json));
}

function insert(
  document: Json,
  path: Path,
  list: readonly Json[],
  place: string,
  value: Json,
  pointer: string,
): Json {
  const index = place === "-" ? list.length : Number(place);
  if (!/^(-|0|[1-9]\d*)$/.test(place) || index > list.length) {
    throw new PatchFailed(`The change does not fit this recipe at ${pointer}.`);
  }
  return withValue(document, path, list.toSpliced(index, 0, value));
}
