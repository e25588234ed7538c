import { describe, expect, it } from "vitest";
import type { Column, DatasetCard, Run } from "../../api/types";
import { columnAt, inputsOf, numbersOf, pastedCells, rowOf, sampleCell } from "./predict";

const column = (name: string, kind: Column["kind"]) => ({ name, kind }) as Column;
const COLUMNS = [
  column("id", "identifier"),
  column("age", "number"),
  column("city", "category"),
  column("plan", "category"),
];
const INPUTS = COLUMNS.slice(1, 3);

describe("what a user fills in", () => {
  const run = (columns: object) =>
    ({
      recipe: {
        dataset: { target: "plan", columns: { include: null, exclude: [], kinds: {}, ...columns } },
        objective: { tasks: [] },
      },
    }) as unknown as Run;
  const card = { columns: COLUMNS } as DatasetCard;
  it("is what the model may learn from", () => {
    expect(inputsOf(run({}), card)).toEqual(INPUTS);
    expect(inputsOf(run({ exclude: ["age"] }), card)).toEqual([COLUMNS[2]]);
    expect(inputsOf(run({ include: ["age"] }), card)).toEqual([COLUMNS[1]]);
    expect(inputsOf(run({ kinds: { age: "identifier" } }), card)).toEqual([COLUMNS[2]]);
  });
  it("is sent with null in an empty field", () => {
    expect(rowOf(INPUTS, { age: " 3 ", city: "" })).toEqual({ age: "3", city: null });
  });
});

describe("a cell of a sample", () => {
  it("stays a number until a user edits it", () => {
    const cells = { age: sampleCell(1.234), city: sampleCell("Bern") };
    expect(rowOf(INPUTS, cells)).toEqual({ age: 1.234, city: "Bern" });
    expect(rowOf(INPUTS, { ...cells, age: "1,5" })).toEqual({ age: "1,5", city: "Bern" });
    expect(rowOf(INPUTS, { age: 0, city: sampleCell(null) })).toEqual({ age: 0, city: null });
    expect(rowOf(INPUTS, { age: 0, city: 3 })).toEqual({ age: 0, city: "3" });
  });
});

describe("a pasted row", () => {
  it("fills the fields in order, or all columns, or by name", () => {
    expect(pastedCells("41\tBern", INPUTS, COLUMNS)).toEqual({ age: "41", city: "Bern" });
    expect(pastedCells('p1;41;"Bern";pro\n', INPUTS, COLUMNS)).toMatchObject({ age: "41", city: "Bern" });
    expect(pastedCells('{"age": 41, "city": null}', INPUTS, COLUMNS)).toEqual({ age: 41, city: "" });
  });
  it("is left to the field if it is no row", () => {
    expect(pastedCells("41", INPUTS, COLUMNS)).toBeNull();
    expect(pastedCells("{", INPUTS, COLUMNS)).toBeNull();
  });
});

describe("numbers", () => {
  it("are JSON or have commas between them", () => {
    expect(numbersOf("1, 2.5\n-3")).toEqual([1, 2.5, -3]);
    expect(numbersOf("[[1], [2]]")).toEqual([[1], [2]]);
    expect(numbersOf("1 x")).toEqual([1, "x"]);
  });
});

it("finds the field of a refused cell", () => {
  expect(columnAt("/rows/0/a~1b")).toBe("a/b");
  expect(columnAt("/rows/0")).toBeNull();
});
