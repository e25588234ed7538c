/** Where a new recipe begins: blank, from a run, or from the cookbook, as the address says. */
import { get } from "../../api/http";
import type { Run } from "../../api/types";
import type { Json } from "./json";
import { applyPatch, type PatchStep } from "./patch";

/** The names in the address that say where the recipe comes from. */
const NAMES = ["from", "patch", "advice", "cookbook"];

export interface Origin {
  recipe: Json;
  /** What the reader should know about it. */
  note: string;
}

/** Returns the part of the address that says where the recipe comes from; it is empty for a blank one. */
export function originOf(query: URLSearchParams): string {
  return NAMES.flatMap((name) => (query.has(name) ? [`${name}=${query.get(name)}`] : [])).join("&");
}

/** Fetches the recipe that the address names. */
export async function fetchOrigin(query: URLSearchParams): Promise<Origin> {
  const study = query.get("cookbook");
  return study === null ? fetchRun(query) : fetchStudy(study);
}

async function fetchRun(query: URLSearchParams): Promise<Origin> {
  const run = await get<Run>(`v1/runs/${encodeURIComponent(query.get("from") ?? "")}`);
  const recipe = run.recipe as unknown as Json;
  const code = query.get("advice");
  const found =
    query.get("patch") === "verdict" ? run.verdict : run.advice.find((each) => each.code === code);
  const name = run.recipe.name ?? run.id;
  if (found?.patch && found.patch.length > 0) {
    const note = `A copy of “${name}” with the change that ${found.code} suggests. ${found.message}`;
    return { recipe: applyPatch(recipe, found.patch as readonly PatchStep[]), note };
  }
  const wanted =
    code === null
      ? query.get("patch") && "its verdict suggests no change"
      : `it has no advice ${code} with a change`;
  return { recipe, note: `A copy of “${name}”${wanted ? `, unchanged: ${wanted}` : ""}.` };
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
    (each) => ` At ${each.pointer} it needs the id of a run of “${each.recipe}”: train that one first.`,
  );
  return { recipe: found.recipe, note: `From the cookbook: ${study.question}${needs.join("")}` };
}
