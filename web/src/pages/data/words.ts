/** What is said of data sets, and what a recipe makes of them. */
import type { Column, DatasetListing } from "../../api/types";
import { count, formatNumber, formatWhole, hasWords } from "../../format";

/** Returns whether the classes are balanced: `174 to 183 rows each`. */
export function describeCounts(counts: readonly number[]): string {
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  return fewest === most
    ? `${count(fewest, "row")} each`
    : `${formatWhole(fewest)} to ${count(most, "row")} each`;
}

/** Returns the values of a column: its classes, or its range. */
export function describeColumn({ kind, classes, minimum, maximum }: Column): string {
  if (typeof minimum === "number") {
    const format = kind === "date" ? formatDay : formatNumber;
    return `${format(minimum)} to ${format(maximum ?? 0)}`;
  }
  if (!classes) return "text";
  const shown = classes.slice(0, 4).join(", ");
  return classes.length > 4 ? `${classes.length} values: ${shown}, …` : shown;
}

function formatDay(seconds: number): string {
  return new Date(1000 * seconds).toISOString().slice(0, 10);
}

/** The name by which recipes know a data set; that of an uploaded one has its version. */
export function referenceOf({ id, name, version }: DatasetListing): string {
  return version ? `${name}@${version}` : id;
}

/** Splits the listings by what a user can do with them, keeping the order of each: first what needs the user. */
export function groupListings(
  listings: readonly DatasetListing[],
): Record<"pending" | "ready" | "absent", DatasetListing[]> {
  const of = (...statuses: string[]) => listings.filter((each) => statuses.includes(each.status));
  const ready = of("ready");
  return {
    pending: [...of("broken", "refused"), ...of("uploading", "inspecting", "packing")],
    ready: [...ready.filter((each) => each.version), ...ready.filter((each) => !each.version)],
    absent: of("absent"),
  };
}

/** Whether a listing has all the words of a filter somewhere in its id, title, kind or task. */
export function matches(listing: DatasetListing, filter: string): boolean {
  const { card } = listing;
  return hasWords([card?.id ?? referenceOf(listing), card?.title, card?.kind, card?.task], filter);
}

type Kind = Column["kind"];

/** What a user wants of a data set, as a recipe says it. */
export interface Choice {
  target?: string | null | undefined;
  columns?: { exclude: readonly string[]; kinds: Readonly<Record<string, Kind>> };
}

/** Whether a model can learn from columns of this kind. */
export function isLearnable(kind: Kind): boolean {
  return ["number", "boolean", "category", "date"].includes(kind);
}

/** Returns the data set as the address of a new recipe has it: a table with its target, any other as its name. */
export function datasetWith(id: string, choice: Choice): string {
  return choice.target ? JSON.stringify({ id, ...choice }) : id;
}
