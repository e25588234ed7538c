import { expect, test } from "vitest";
import { mainArms, matches } from "./study";

const arms = (...names: string[]) =>
  names.map((name) => ({ name })) as Parameters<typeof mainArms>[0]["arms"];

test("of a search the winners are shown, and of many arms none until a reader asks", () => {
  const search = { best_so_far: [], importances: null };
  const trials = arms("trial 0", "recipe", "trial 0 confirmed");
  const compared = trials.map((arm) => ({
    ...arm,
    not_compared: arm.name.endsWith("confirmed") ? "n" : null,
  }));
  expect(mainArms({ arms: compared, search, baseline: "recipe" })).toEqual(compared.slice(1));
  expect(mainArms({ arms: arms("plain", "dropout"), search: null, baseline: "plain" })).toHaveLength(2);
  const many = arms(...Array.from({ length: 64 }, (_, index) => `arm ${index}`));
  expect(mainArms({ arms: many, search: null, baseline: "arm 0" })).toEqual([]);
});

test("a study is found by words of its question or of its recipes", () => {
  const study = {
    name: "small",
    question: "Do norms help?",
    answer: "Yes.",
    design: "factorial" as const,
    runs: 40,
    recipes: ["batch_norm"],
  };
  expect(matches(study, "HELP batch")).toBe(true);
  expect(matches(study, "dropout")).toBe(false);
});
