/** Where a new recipe begins: blank, from a run, or from the cookbook, as the address says. */
import { get } from "../../api/http";
import type { DatasetListing, Run } from "../../api/types";
import { sentence } from "../../format";
import { type Json, placeName } from "../../json";
import { BLANK } from "./draft";
import type { PatchStep } from "./patch";

/** The names in the address that say where the recipe comes from. */
export const ORIGIN_NAMES = ["from", "patch", "advice", "cookbook", "dataset", "finding"];

export interface Origin {
  recipe: Json;
  /** Changes of the recipe, as JSON Patch of its complete form. */
  patch?: readonly PatchStep[];
  /** What the reader should know about it. */
  note: string;
}

/** Returns the part of the address that says where the recipe comes from; it is empty for a blank one. */
export function originOf(query: URLSearchParams): string {
  return ORIGIN_NAMES.flatMap((name) => (query.has(name) ? [`${name}=${query.get(name)}`] : [])).join("&");
}

/** Fetches the recipe that the address names. */
export async function fetchOrigin(query: URLSearchParams): Promise<Origin> {
  const study = query.get("cookbook");
  const dataset = query.get("dataset");
  if (dataset !== null) return fetchDataset(dataset, query.get("finding"));
  return study === null ? fetchRun(query) : fetchStudy(study);
}

/** Begins with a data set, and with what settles one of its findings. */
async function fetchDataset(dataset: string, finding: string | null): Promise<Origin> {
  // Beside the name it may have the target and what the columns are.
  const spec = dataset.startsWith("{") ? (JSON.parse(dataset) as { id: string }) : { id: dataset };
  const recipe = { ...BLANK, dataset: spec };
  if (finding === null) return { recipe, note: "" };
  const { card } = await get<DatasetListing>(`v1/datasets/${encodeURIComponent(spec.id)}`);
  const found = card?.findings?.[Number(finding)];
  return found
    ? { recipe, patch: found.patch as readonly PatchStep[], note: sentence(found.message) }
    : { recipe, note: "" };
}

async function fetchRun(query: URLSearchParams): Promise<Origin> {
  const run = await get<Run>(`v1/runs/${encodeURIComponent(query.get("from") ?? "")}`);
  return copyOf(run, query.get("patch"), query.get("advice"));
}

/** Returns the recipe of a run, with the change of one of its verdicts or of one advice, by its code. */
export function copyOf(run: Run, patch: string | null, advice: string | null): Origin {
  const recipe = run.recipe as unknown as Json;
  const copy = `A copy of “${run.recipe.name ?? run.id}”`;
  const code = patch ?? advice;
  if (code === null) return { recipe, note: `${copy}.` };
  const findings = patch === null ? run.advice : [run.verdict, ...(run.further_verdicts ?? [])];
  const found = patch === "verdict" ? run.verdict : findings.find((each) => each?.code === code);
  if (!found?.patch?.length)
    return { recipe, note: `${copy}, unchanged: it has no ${code} that suggests a change.` };
  return {
    recipe,
    patch: found.patch as readonly PatchStep[],
    note: `${copy} with the change that ${found.code} suggests. ${found.message}`,
  };
}

interface Study {
  question: string;
  recipes: readonly {
    name: string;
    recipe: Json;
    builds_on: readonly { pointer: string; recipe: string }[];
  }[];
}

async function fetchStudy(place: string): Promise<Origin> {
  const slash = place.indexOf("/");
  const study = await get<Study>(`v1/cookbook/${encodeURIComponent(place.slice(0, slash))}`);
  const found = study.recipes.find((each) => each.name === place.slice(slash + 1));
  if (!found) throw new Error(`The study has no recipe “${place.slice(slash + 1)}”.`);
  const needs = found.builds_on.map(
    (each) =>
      ` At ${placeName(each.pointer)} it needs the id of a run of “${each.recipe}”: train that one first.`,
  );
  return { recipe: found.recipe, note: `From the cookbook: ${study.question}${needs.join("")}` };
}
