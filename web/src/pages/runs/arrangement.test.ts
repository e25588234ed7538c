import { expect, test } from "vitest";
import type { BriefRun } from "../../api/types";
import {
  gravity,
  matches,
  nextSort,
  parseSort,
  sharedIngredients,
  sharedMonitor,
  sortRows,
} from "./arrangement";

function aRow(changes: Partial<BriefRun>): BriefRun {
  return {
    id: "run_a",
    name: null,
    status: "succeeded",
    request: null,
    reason: "early_stopped",
    dataset: "digits",
    architecture: "mlp",
    loss: "cross_entropy",
    best: null,
    gap: null,
    progress: { epoch: 3, epochs: 9 },
    eta_seconds: null,
    stops_in_seconds: null,
    queue: null,
    verdict: null,
    sparkline: null,
    ingredients: [],
    labels: 0,
    created_at: "2026-01-01T00:00:00Z",
    seconds: 1,
    ...changes,
  };
}

const best = (value: number, monitor = "validation_loss") => ({ epoch: 1, monitor, value });
const ids = (rows: readonly BriefRun[]) => rows.map((row) => row.id);
const ANY = { text: "", status: "", dataset: "" };

test("a run matches if it has all words of the text, whatever they are part of", () => {
  const row = aRow({ name: "First", ingredients: ["batch_norm", "dropout 0.5"] });
  expect(matches(row, { ...ANY, text: " DIGITS dropout first" })).toBe(true);
  expect(matches(row, { ...ANY, text: "digits l2" })).toBe(false);
  expect(matches(row, { ...ANY, status: "failed" })).toBe(false);
  expect(matches(row, { ...ANY, dataset: "iris" })).toBe(false);
});

test("runs without a value come last in both directions, and different metrics are not mixed", () => {
  const rows = [
    aRow({ id: "none" }),
    aRow({ id: "high", best: best(0.9) }),
    aRow({ id: "other", best: best(0.5, "validation_r2") }),
    aRow({ id: "low", best: best(0.1) }),
  ];
  expect(ids(sortRows(rows, parseSort("best")))).toEqual(["low", "high", "other", "none"]);
  expect(ids(sortRows(rows, parseSort("-best")))).toEqual(["high", "low", "other", "none"]);
  expect(ids(sortRows(rows, parseSort("nonsense")))).toEqual(ids(rows));
});

test("values of different losses or data sets are not mixed, but accuracies of different losses compare", () => {
  const rows = [
    aRow({ id: "squared", loss: "squared_error", best: best(0.02) }),
    aRow({ id: "iris", dataset: "iris", best: best(0.1) }),
    aRow({ id: "digits", best: best(0.3) }),
  ];
  expect(ids(sortRows(rows, parseSort("best")))).toEqual(["digits", "squared", "iris"]);
  expect(sharedMonitor(rows)).toBeNull();
  const accuracies = rows.slice(0, 1).map((row) => ({ ...row, best: best(0.9, "validation_accuracy") }));
  expect(sharedMonitor([...accuracies, aRow({ best: best(0.8, "validation_accuracy") })])).toBe(
    "validation_accuracy",
  );
});

test("three presses on a column sort in one direction, in the other, and not at all", () => {
  expect(nextSort(null, "gap", true)).toBe("-gap");
  expect(nextSort(parseSort("-gap"), "gap", true)).toBe("gap");
  expect(nextSort(parseSort("gap"), "gap", true)).toBe("");
  expect(nextSort(parseSort("gap"), "name", false)).toBe("name");
});

test("ingredients that all runs have are shared, and a single run has none to hide", () => {
  const rows = [aRow({ ingredients: ["batch_norm", "seed 1"] }), aRow({ ingredients: ["batch_norm"] })];
  expect([...sharedIngredients(rows)]).toEqual(["batch_norm"]);
  expect([...sharedIngredients(rows.slice(0, 1))]).toEqual([]);
});

test("a row that is cut always shows that it has more", () => {
  const rows = [
    aRow({ ingredients: ["batch_norm", "…"] }),
    aRow({ ingredients: ["batch_norm", "…", "seed 1"] }),
  ];
  expect([...sharedIngredients(rows)]).toEqual(["batch_norm"]);
});

test("the header names the metric only if all runs monitor the same one", () => {
  expect(sharedMonitor([aRow({}), aRow({ best: best(1) })])).toBe("validation_loss");
  expect(sharedMonitor([aRow({ best: best(1, "validation_r2") }), aRow({ best: best(1) })])).toBe(null);
});

test("a verdict is as grave as what it says of the weights", () => {
  expect(gravity(aRow({ verdict: "learned" }))).toBe("good");
  expect(gravity(aRow({ verdict: "overfits" }))).toBe("warning");
  expect(gravity(aRow({ verdict: "learned_nothing" }))).toBe("bad");
  expect(gravity(aRow({ status: "failed", verdict: "storage_full" }))).toBe("bad");
  expect(gravity(aRow({ status: "cancelled", verdict: "cancelled_by_user" }))).toBe("quiet");
});
