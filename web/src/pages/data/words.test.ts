import { expect, test } from "vitest";
import type { DatasetCard } from "../../api/types";
import { datasetWith, describeColumn, describeCounts, groupListings, matches } from "./words";

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
  const dates = { name: "a", kind: "date", minimum: 0, maximum: 1_700_000_000 };
  expect(describeColumn(dates as never)).toBe("1970-01-01 to 2023-11-14");
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

test("a new recipe begins with the target, and with what was changed only", () => {
  expect(JSON.parse(datasetWith("houses@2", { target: "price" }))).toEqual({
    id: "houses@2",
    target: "price",
  });
  const choice = { target: "zip", columns: { exclude: ["price"], kinds: { zip: "category" as const } } };
  expect(JSON.parse(datasetWith("houses@2", choice))).toEqual({ id: "houses@2", ...choice });
  expect(datasetWith("digits", { target: null })).toBe("digits");
});
