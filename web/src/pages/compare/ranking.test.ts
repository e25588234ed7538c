import { expect, test } from "vitest";
import type { Run } from "../../api/types";
import { spreadText } from "./groups_table";
import { BY_RECIPE, groupRuns, mixedFields, rank, rankingMetric, shownMetrics, spreadOf } from "./ranking";

interface Made {
  monitor?: string;
  loss?: string;
  metrics?: Record<string, number>;
  seed?: number;
  norm?: string;
}

function aRun(
  id: string,
  { monitor = "validation_loss", loss = "cross_entropy", metrics = {}, seed = 0, norm = "none" }: Made,
): Run {
  return {
    id,
    name: null,
    labels: {},
    status: "succeeded",
    recipe: { seed, norm: { type: norm }, objective: { loss }, dataset: { id: "digits" } },
    recipe_sha256: `${norm} ${seed}`,
    recipe_group_sha256: norm,
    best: { epoch: 1, monitor, value: metrics[monitor] ?? 1, metrics },
  } as unknown as Run;
}

test("runs are ranked by the metric that all of them monitor", () => {
  const runs = [
    aRun("a", { metrics: { validation_loss: 2 } }),
    aRun("b", { metrics: { validation_loss: 1 } }),
  ];
  const ranking = rankingMetric(runs);
  expect(ranking?.metric).toBe("validation_loss");
  expect(rank(runs, "validation_loss", (run) => run.best?.value ?? null).map((run) => run.id)).toEqual([
    "b",
    "a",
  ]);
});

test("runs with different losses are ranked by a metric that is free of the loss, or not at all", () => {
  const accurate = { validation_loss: 1, validation_accuracy: 0.9 };
  const runs = [aRun("a", { metrics: accurate }), aRun("b", { loss: "hinge", metrics: accurate })];
  expect(rankingMetric(runs)).toEqual({
    metric: "validation_accuracy",
    reason: "because their losses differ",
  });
  expect(rankingMetric([...runs, aRun("c", { loss: "hinge" })])).toBe(null);
  expect(shownMetrics(runs, rankingMetric(runs))).toEqual(["validation_accuracy", "validation_loss"]);
});

test("a higher accuracy is better, and runs without the metric come last", () => {
  const values = [0.1, null, 0.9];
  expect(rank(values, "validation_accuracy", (value) => value)).toEqual([0.9, 0.1, null]);
  expect(rank(values, "validation_f1", (value) => value)).toEqual([0.9, 0.1, null]);
});

test("seeds of one recipe are a group, and a repetition of a seed counts once", () => {
  const runs = [
    aRun("a", { seed: 1 }),
    aRun("b", { seed: 2 }),
    aRun("c", { seed: 2 }),
    aRun("d", { norm: "batch_norm" }),
  ];
  expect(groupRuns(runs, BY_RECIPE).map((group) => group.runs.length)).toEqual([2, 1]);
  expect(groupRuns(runs, "norm").map((group) => group.value)).toEqual([
    { type: "none" },
    { type: "batch_norm" },
  ]);
});

test("a group by one field that mixes another says so", () => {
  const [group] = groupRuns([aRun("a", { seed: 1 }), aRun("b", { norm: "batch_norm" })], "objective.loss");
  expect(group && mixedFields(group, "objective.loss")).toEqual(["norm"]);
});

test("the spread is the sample standard deviation, which a single run does not have", () => {
  expect(spreadOf([1, null, 3])).toEqual({ n: 2, mean: 2, deviation: Math.SQRT2, low: 1, high: 3 });
  expect(spreadOf([1])?.deviation).toBe(null);
  expect(spreadText("validation_accuracy", spreadOf([0.97, 0.98]))).toBe("97.5% ± 0.71");
  expect(spreadText("validation_loss", spreadOf([0.5]))).toBe("0.5");
});
