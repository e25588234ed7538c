import { expect, test } from "vitest";
import type { Column, DatasetCard } from "../../api/types";
import {
  datasetWith,
  describeColumn,
  describeCounts,
  describeShape,
  describeSplits,
  describeTask,
  fittingKinds,
  groupListings,
  matches,
  proposeTarget,
} from "./words";

test("a shape is described by its kind", () => {
  expect(describeShape({ kind: "image", shape: [1, 8, 8] })).toBe("8 × 8 pixels, grey");
  expect(describeShape({ kind: "image", shape: [4, 8, 9] })).toBe("8 × 9 pixels, 4 channels");
  expect(describeShape({ kind: "sequence", shape: [8, 1] })).toBe("8 steps of 1 number");
  expect(describeShape({ kind: "table", shape: [1] })).toBe("1 number");
});

test("the splits that the set leaves to the recipe are named", () => {
  expect(describeSplits({ counts: { train: 1797 } })).toBe(
    "One set of 1,797 rows; the recipe cuts validation and test from it",
  );
  expect(describeSplits({ counts: { train: 60_000, test: 10_000 } })).toBe(
    "60,000 train, 10,000 test; the recipe cuts validation from it",
  );
  expect(describeSplits({ counts: { train: 3, validation: 2, test: 1 } })).toBe(
    "3 train, 2 validation, 1 test",
  );
});

test("few classes are named, many are counted, and a table without a fixed target says so", () => {
  expect(describeTask({ task: "classification", classes: ["malignant", "benign"] })).toBe(
    "malignant or benign (classification)",
  );
  expect(describeTask({ task: "classification", classes: [..."0123"] })).toBe("4 classes");
  expect(describeTask({ task: null, columns: [] })).toBe("the column that the recipe names");
});

test("balanced classes are told from unbalanced ones", () => {
  expect(describeCounts([50, 50])).toBe("50 rows each");
  expect(describeCounts([1, 357])).toBe("1 to 357 rows each");
});

test("a column has its first classes, its range, or only text", () => {
  expect(describeColumn({ name: "a", kind: "boolean", classes: ["x", "y"] } as never)).toBe("x, y");
  expect(describeColumn({ name: "a", kind: "category", classes: [..."abcde"] } as never)).toBe(
    "5 values: a, b, c, d, …",
  );
  expect(describeColumn({ name: "a", kind: "number", minimum: 0, maximum: 2.5 } as never)).toBe("0 to 2.5");
  expect(describeColumn({ name: "a", kind: "text" } as never)).toBe("text");
});

test("listings are grouped by status and found by all words", () => {
  const card = { id: "digits", title: "Handwritten digits", kind: "image" } as DatasetCard;
  const listings = [
    { id: "digits", name: "digits", status: "ready" as const, card },
    { id: "houses", name: "houses", status: "broken" as const, problem: "row 3 is empty" },
  ];
  expect(groupListings(listings).pending.map((each) => each.id)).toEqual(["houses"]);
  expect(listings.filter((each) => matches(each, "hand IMAGE")).map((each) => each.id)).toEqual(["digits"]);
});

const COLUMNS = [
  { name: "id", kind: "identifier" },
  { name: "zip", kind: "number", whole: true, minimum: 1, classes: ["1", "2"] },
  { name: "price", kind: "number", minimum: 0 },
  { name: "note", kind: "text" },
] as Column[];

test("the last column that a model can predict is the proposed target", () => {
  expect(proposeTarget(COLUMNS)).toBe("price");
  expect(proposeTarget(COLUMNS.filter(({ kind }) => kind !== "number"))).toBeUndefined();
});

test("a column can have the kinds that its values allow", () => {
  expect(COLUMNS.map(fittingKinds)).toEqual([
    ["identifier", "text"],
    ["number", "category", "boolean", "identifier", "text"],
    ["number", "identifier", "text"],
    ["text", "identifier"],
  ]);
});

test("a new recipe begins with the proposed target, and with what was changed only", () => {
  const card = { id: "houses@2", columns: COLUMNS };
  expect(JSON.parse(datasetWith(card))).toEqual({ id: "houses@2", target: "price" });
  const choice = { target: "zip", columns: { exclude: ["price"], kinds: { zip: "category" as const } } };
  expect(JSON.parse(datasetWith(card, choice))).toEqual({ id: "houses@2", ...choice });
  expect(datasetWith({ id: "digits", columns: null })).toBe("digits");
});
