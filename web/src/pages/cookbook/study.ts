/** A study of the cookbook: its question, and what was measured. */
import type { components } from "../../api/schema";
import type { ArmResult, Results } from "../../api/types";
import { hasWords } from "../../format";

type Schemas = components["schemas"];
export type BriefStudy = Schemas["StudySummary"];
export type StudyRecipe = Schemas["StudyRecipe"];
export type MeasuredAnswer = Omit<Schemas["MeasuredAnswer"], "results"> & { results: Results };
export type Study = Omit<Schemas["Study"], "measured"> & { measured: MeasuredAnswer };

/** More arms are shown when a reader asks for them. */
const MOST_ARMS = 12;

export function matches(study: BriefStudy, filter: string): boolean {
  return hasWords([study.name, study.question, study.answer, ...study.recipes], filter);
}

/** Returns the arms that answer the question: of a search those that it compares, of many arms none. */
export function mainArms(results: Pick<Results, "arms" | "search" | "baseline">): ArmResult[] {
  const { arms, search, baseline } = results;
  if (search) return arms.filter((arm) => arm.name === baseline || arm.difference || arm.not_compared);
  return arms.length > MOST_ARMS ? [] : arms;
}
