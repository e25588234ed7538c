/** A study of the cookbook, and what its numbers say. */
import type { components } from "../../api/schema";
import { formatNumber, hasWords } from "../../format";

type Schemas = components["schemas"];
export type Study = Schemas["Study"];
export type BriefStudy = Schemas["StudySummary"];
export type StudyRecipe = Schemas["StudyRecipe"];
export type Column = Schemas["StudyColumn"];
export type Row = Schemas["StudyRow"];
export type Difference = Schemas["StudyDifference"];

export function matches(study: BriefStudy, filter: string): boolean {
  return hasWords([study.name, study.question, study.answer, ...study.recipes], filter);
}

/** Returns a number with its sign, such as `+1.95` or `−0.29`. */
export function formatSigned(value: number): string {
  const text = formatNumber(Math.abs(value));
  return value > 0 ? `+${text}` : value < 0 ? `−${text}` : text;
}

export function formatDifference({ mean, low, high }: Difference): string {
  return `${formatSigned(mean)} (${formatSigned(low)} to ${formatSigned(high)})`;
}

/** Whether the interval is on one side of 0; otherwise chance alone explains the difference. */
export function isClear({ low, high }: Difference): boolean {
  return low > 0 || high < 0;
}

/** Returns the range that holds all intervals and 0, with a little room on both sides. */
export function rangeOf(differences: readonly Difference[]): [number, number] {
  const low = Math.min(0, ...differences.map((each) => each.low));
  const high = Math.max(0, ...differences.map((each) => each.high));
  const room = (high - low || 1) * 0.04;
  return [low - room, high + room];
}

/** Returns one sentence for a recipe's difference. */
export function describeDifference(
  recipe: string,
  against: string,
  difference: Difference,
  column: Column,
): string {
  const unit = column.unit === "%" ? " points" : column.unit ? ` ${column.unit}` : "";
  return isClear(difference)
    ? `${recipe} differs from ${against} by ${formatSigned(difference.mean)}${unit}.`
    : `${recipe} does not clearly differ from ${against}.`;
}
