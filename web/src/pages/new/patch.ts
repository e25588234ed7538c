/** JSON Patch (RFC 6902), as far as advice and verdicts use it. */
import { isList, isObject, type Json, pathOf, placeName, valueAt, withValue } from "../../json";

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
  const last = path.at(-1) ?? "";
  if (op === "add" && isList(parent)) {
    const index = last === "-" ? parent.length : Number(last);
    if (/^(-|0|[1-9]\d*)$/.test(last) && index <= parent.length)
      return withValue(document, path.slice(0, -1), parent.toSpliced(index, 0, value as Json));
  } else if (op === "add" ? path.length === 0 || isObject(parent) : valueAt(document, path) !== undefined)
    return withValue(document, path, op === "remove" ? undefined : (value as Json));
  throw new PatchFailed(`The change does not fit this recipe at ${placeName(pointer)}.`);
}
