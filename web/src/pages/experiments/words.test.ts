import { expect, test } from "vitest";
import type { Experiment, Results } from "../../api/types";
import {
  changesOf,
  comparedFirst,
  countOver,
  describeDesign,
  describeProgress,
  describeSearch,
  formatDifference,
  formatMean,
  nextSeeds,
  placeOf,
  possibleActions,
  withStatus,
} from "./words";

test("the progress tells what is over, reused and failed", () => {
  expect(describeProgress(18, 30, 5, { queued: 10, running: 2, failed: 1, succeeded: 12 })).toBe(
    "18 of 30 runs, 5 of them trained before, 2 in training, 1 failed",
  );
  expect(describeProgress(1, 1, 0, { succeeded: 1 })).toBe("1 of 1 run");
  expect(describeProgress(3, 3, 0, { failed: 1 }, 2)).toBe("3 of 3 runs, 1 failed, 2 not trained");
  expect(describeDesign("grid", 4, 1, 5)).toBe("grid: 4 arms × 1 seed × 5 folds");
  expect(describeSearch(12, 1, null)).toBe("search: 12 trials × 1 seed");
});

test("runs that are used again are over, and those that wait, train or pause are not", () => {
  expect(countOver(5, { queued: 10, running: 2, paused: 3, failed: 1, cancelled: 1, succeeded: 11 })).toBe(
    18,
  );
});

test("of a search, what is compared comes before the trials", () => {
  const arms = [
    { name: "trial 0" },
    { name: "recipe" },
    { name: "trial 0 confirmed", difference: {} },
    { name: "trial 1 confirmed", not_compared: "No run has a value." },
  ];
  const names = (baseline: string | null, search: unknown) =>
    comparedFirst(arms, { arms, baseline, search } as unknown as Results).map((arm) => arm.name);
  expect(names("recipe", {})).toEqual(["recipe", "trial 0 confirmed", "trial 1 confirmed", "trial 0"]);
  expect(names(null, {})[0]).toBe("trial 0");
  expect(names("recipe", null)[0]).toBe("trial 0");
});

test("only settings that differ are sent", () => {
  const experiment = { name: null, priority: 3, max_running: null } as Experiment;
  expect(changesOf(experiment, { name: null, priority: 4, max_running: null })).toEqual({ priority: 4 });
  expect(changesOf(experiment, { name: null, priority: 3, max_running: null })).toEqual({});
});

test("differences have a sign, the decimals that their interval deserves, and shares are in points", () => {
  expect(formatDifference("validation_accuracy", 0.0031, [-0.0004, 0.0066])).toBe("+0.3 (0.0 to 0.7)");
  expect(formatDifference("validation_accuracy", 0.00031, [-0.0001, 0.0007])).toBe("+0.03 (-0.01 to 0.07)");
  expect(formatDifference("validation_loss", -0.0123, [-0.0223, -0.0023])).toBe("-0.012 (-0.022 to -0.002)");
  expect(formatDifference("validation_auroc", 0, null)).toBe("0");
  expect(formatDifference("validation_accuracy", -0.00001, [-0.01, 0.01])).toBe("0.0 (-1.0 to 1.0)");
  expect(formatMean("validation_accuracy", 0.979, [0.974, 0.984])).toBe("97.9% (97.4% to 98.4%)");
  expect(formatMean("validation_loss", null, null)).toBe("–");
});

test.each([
  ["queued", null, ["pause", "stop", "cancel"]],
  ["running", "pause", ["resume", "stop", "cancel"]],
  ["paused", "pause", ["resume", "stop", "cancel"]],
  ["running", "stop", ["cancel"]],
  ["running", "cancel", []],
  ["finished", null, []],
  ["cancelled", "cancel", []],
] as const)(
  "an experiment that is %s, with the request %s, has the actions %s",
  (status, request, actions) => {
    expect(possibleActions({ status, request })).toEqual(actions);
  },
);

test("seeds that are added follow the greatest, and places name the fold", () => {
  expect(nextSeeds([0, 7, 3], 2)).toEqual([8, 9]);
  expect([placeOf({ seed: 3, fold: null }), placeOf({ seed: 3, fold: 0 })]).toEqual(["3", "3/0"]);
});

test("an event changes the status of its run alone", () => {
  const runs = [
    { run: "a", status: "queued" },
    { run: "b", status: "queued" },
  ];
  const experiment = { runs } as Experiment;
  const changed = withStatus(experiment, "b", "running");
  expect(changed?.runs.map((each) => each.status)).toEqual(["queued", "running"]);
  expect(changed?.runs[0]).toBe(runs[0]);
  expect(withStatus(experiment, "c", "running")).toBeNull();
});
