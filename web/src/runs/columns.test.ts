import { expect, test } from "vitest";
import { addRow, type Columns, mergeColumns } from "./columns";

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
  const columns: Columns = {};
  addRow(columns, "epoch", { epoch: 1, is_best: true } as never);
  expect(columns).toEqual({ epoch: [1] });
});

test("loaded columns keep the rows that events have added meanwhile", () => {
  const merged = mergeColumns({ epoch: [1, 2], loss: [3, 2] }, "epoch", { epoch: [2, 3], loss: [2, 1] });
  expect(merged).toEqual({ epoch: [1, 2, 3], loss: [3, 2, 1] });
});
