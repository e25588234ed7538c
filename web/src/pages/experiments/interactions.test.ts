import { expect, test } from "vitest";
import { meansOf, pairsOf } from "./interactions";

test("each two factors are a pair once", () => {
  expect(pairsOf(3)).toEqual([
    [0, 1],
    [0, 2],
    [1, 2],
  ]);
});

test("means are taken over the other factors, and wait for every arm", () => {
  const levels = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => [4, 2, 1].map((bit) => (bits & bit) > 0));
  const arms = levels.map((each, index) => ({ name: String(index), levels: each }));
  const measured = arms.map(({ name }) => ({ name, mean: Number(name) }));
  expect(meansOf(arms, measured, [0, 2])).toEqual([
    [1, 5],
    [2, 6],
  ]);
  expect(meansOf(arms, measured.slice(1), [0, 2])).toEqual([
    [null, 5],
    [2, 6],
  ]);
});
