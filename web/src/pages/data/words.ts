/** What a data card says, in words. */
import type { Column, DatasetCard, DatasetListing } from "../../api/types";
import { count, formatNumber, formatWhole, hasWords } from "../../format";

const LIST = new Intl.ListFormat("en", { type: "disjunction" });

/** Returns the shape of a sample, such as `8 × 8 pixels, grey`. */
export function describeShape({ kind, shape }: Pick<DatasetCard, "kind" | "shape">): string {
  if (kind === "image") {
    const [channels = 1, height = 1, width = 1] = shape;
    const colors = channels === 1 ? "grey" : channels === 3 ? "colour" : count(channels, "channel");
    return `${height} × ${width} pixels, ${colors}`;
  }
  if (kind === "sequence") {
    const [steps = 1, numbers = 1] = shape;
    return `${count(steps, "step")} of ${count(numbers, "number")}`;
  }
  return count(shape[0] ?? 1, "number");
}

export function countRows({ counts }: Pick<DatasetCard, "counts">): number {
  return counts.train + (counts.validation ?? 0) + (counts.test ?? 0);
}

/** Returns the set's own splits, and which of them a recipe cuts. */
export function describeSplits({ counts }: Pick<DatasetCard, "counts">): string {
  const splits = ["train", "validation", "test"] as const;
  const own = splits.filter((each) => typeof counts[each] === "number");
  const cut = splits.filter((each) => typeof counts[each] !== "number");
  const first =
    own.length === 1
      ? `One set of ${count(counts.train, "row")}`
      : own.map((each) => `${formatWhole(counts[each] ?? 0)} ${each}`).join(", ");
  return cut.length === 0 ? first : `${first}; the recipe cuts ${cut.join(" and ")} from it`;
}

/** Returns what is learnt, such as `10 classes` or `malignant or benign`. */
export function describeTask(card: Pick<DatasetCard, "task" | "classes" | "columns">): string {
  if (card.task === "regression") return "a number (regression)";
  if (card.classes && card.classes.length <= 3) return `${LIST.format(card.classes)} (classification)`;
  if (card.classes) return count(card.classes.length, "class", "classes");
  return card.columns ? "the column that the recipe names" : "";
}

/** Returns whether the classes are balanced: `174 to 183 rows each`. */
export function describeCounts(counts: readonly number[]): string {
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  return fewest === most
    ? `${count(fewest, "row")} each`
    : `${formatWhole(fewest)} to ${count(most, "row")} each`;
}

/** Returns the values of a column: its classes, or its range. */
export function describeColumn(column: Column): string {
  if (column.classes && typeof column.minimum !== "number") {
    const shown = column.classes.slice(0, 4).join(", ");
    return column.classes.length > 4 ? `${column.classes.length} values: ${shown}, …` : shown;
  }
  if (typeof column.minimum !== "number") return "text";
  return `${formatNumber(column.minimum)} to ${formatNumber(column.maximum)}`;
}

/** The name by which recipes know a data set; that of an uploaded one has its version. */
export function referenceOf({ id, name, version }: DatasetListing): string {
  return version ? `${name}@${version}` : id;
}

/** Splits the listings by what a user can do with them, keeping the order of each; one's own come before built-in ones. */
export function groupListings(
  listings: readonly DatasetListing[],
): Record<"pending" | "ready" | "absent", DatasetListing[]> {
  const of = (...statuses: string[]) => listings.filter((each) => statuses.includes(each.status));
  const ready = of("ready");
  return {
    pending: of("broken", "refused", "uploading", "inspecting", "packing"),
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
  target?: string | undefined;
  columns?: { exclude: readonly string[]; kinds: Readonly<Record<string, Kind>> };
}

/** Returns the last column that can be a target, as the profile of the data set does. */
export function proposeTarget(columns: readonly Column[]): string | undefined {
  const isTarget = ({ kind, classes, minimum }: Column) =>
    ["number", "boolean", "category"].includes(kind) && (classes || typeof minimum === "number");
  return columns.findLast(isTarget)?.name;
}

/** Returns the kinds that a recipe can give a column, its own first. */
export function fittingKinds({ kind, classes, minimum }: Column): Kind[] {
  const kinds: Kind[] = [kind];
  if (kind === "boolean" || typeof minimum === "number") kinds.push("number");
  if (classes) kinds.push("category");
  if (classes?.length === 2) kinds.push("boolean");
  return [...new Set<Kind>([...kinds, "identifier", "text"])];
}

/** Whether a model can learn from columns of this kind. */
export function isLearnable(kind: Kind): boolean {
  return ["number", "boolean", "category", "date"].includes(kind);
}

/** Returns the data set as the address of a new recipe has it: a table with its target, any other as its name. */
export function datasetWith(
  { id, columns }: Pick<DatasetCard, "id" | "columns">,
  choice: Choice = {},
): string {
  const dataset = { id, target: proposeTarget(columns ?? []), ...choice };
  return dataset.target ? JSON.stringify(dataset) : id;
}
