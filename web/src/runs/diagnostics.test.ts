import { expect, test } from "vitest";
import { addDiagnostic, type Diagnostics, mergeDiagnostics, readDiagnostics } from "./diagnostics";

test("values are added once an epoch, in columns", () => {
  const diagnostics: Diagnostics = {};
  expect(addDiagnostic(diagnostics, { name: "a", epoch: 1, step: 5, layers: ["x"], norms: [1] })).toBe(true);
  expect(addDiagnostic(diagnostics, { name: "a", epoch: 1, step: 5, layers: ["x"], norms: [1] })).toBe(false);
  expect(
    addDiagnostic(diagnostics, { name: "a", epoch: 2, step: 9, layers: ["x"], norms: [2], new: 3 }),
  ).toBe(true);
  expect(diagnostics.a).toEqual({
    epoch: [1, 2],
    step: [5, 9],
    values: { layers: [["x"], ["x"]], norms: [[1], [2]], new: [null, 3] },
  });
});

test("loaded values keep what events have added meanwhile", () => {
  const loaded = { a: { epoch: [1, 2], step: [5, 9], values: { gap: [3, 2] } } };
  const present = { a: { epoch: [2, 3], step: [9, 12], values: { gap: [2, 1] } } };
  expect(mergeDiagnostics(loaded, present).a?.values).toEqual({ gap: [3, 2, 1] });
});

test("an answer's columns are told apart from their epochs and steps", () => {
  const answer = { a: { epoch: [1], step: [5], layers: [["x"]], gap: [3] } };
  expect(readDiagnostics(answer)).toEqual({
    a: { epoch: [1], step: [5], values: { layers: [["x"]], gap: [3] } },
  });
});
