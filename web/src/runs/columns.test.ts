import { expect, test } from "vitest";
import {
  addDiagnostic,
  addRow,
  type Columns,
  type Diagnostics,
  mergeColumns,
  mergeDiagnostics,
  numbersOf,
} from "./columns";

test("a row is added once, however often it arrives", () => {
  const columns: Columns = {};
  expect(addRow(columns, "epoch", { epoch: 1, loss: 2 })).toBe(true);
  expect(addRow(columns, "epoch", { epoch: 1, loss: 2 })).toBe(false);
  expect(addRow(columns, "epoch", { epoch: 2, loss: null })).toBe(true);
  expect(columns).toEqual({ epoch: [1, 2], loss: [2, null] });
});

test("a metric that begins later has gaps before it, and one that ends has gaps after it", () => {
  const columns: Columns = {};
  addRow(columns, "epoch", { epoch: 1, a: 1 });
  addRow(columns, "epoch", { epoch: 2, b: 2 });
  expect(columns).toEqual({ epoch: [1, 2], a: [1, null], b: [null, 2] });
});

test("what is not a number is left out", () => {
  expect(numbersOf({ epoch: 1, loss: null, is_best: true } as never)).toEqual({ epoch: 1, loss: null });
});

test("the diagnostics of an epoch are added once, each with columns of its own", () => {
  const diagnostics: Diagnostics = {};
  const first = { name: "a", epoch: 1, layers: ["x"], norms: [1] };
  expect([addDiagnostic(diagnostics, first), addDiagnostic(diagnostics, first)]).toEqual([true, false]);
  expect(addDiagnostic(diagnostics, { name: "a", epoch: 2, norms: [2], new: 3 })).toBe(true);
  expect(diagnostics).toEqual({
    a: { epoch: [1, 2], layers: [["x"], null], norms: [[1], [2]], new: [null, 3] },
  });
});

test("loaded diagnostics keep what events have added meanwhile", () => {
  const loaded = { a: { epoch: [1, 2], gap: [3, 2] } };
  const present = { a: { epoch: [2, 3], gap: [2, 1] }, b: { epoch: [3], gap: [5] } };
  expect(mergeDiagnostics(loaded, present)).toEqual({
    a: { epoch: [1, 2, 3], gap: [3, 2, 1] },
    b: { epoch: [3], gap: [5] },
  });
});

test("loaded columns keep the rows that events have added meanwhile", () => {
  const merged = mergeColumns({ epoch: [1, 2], loss: [3, 2] }, "epoch", { epoch: [2, 3], loss: [2, 1] });
  expect(merged).toEqual({ epoch: [1, 2, 3], loss: [3, 2, 1] });
});
