import { expect, test } from "vitest";
import { runStyle } from "../../runs/colors";
import { groupLines, groupRows, runLines } from "./lines";
import type { Group } from "./ranking";

const epochs = (...loss: number[]) => ({
  epoch: loss.map((_, index) => index + 1),
  step: loss.map((_, index) => 10 * (index + 1)),
  loss,
});

test("the line of a run has the same colour and dash, whichever runs are beside it", () => {
  const curve = (id: string) => ({ id, label: id, epochs: epochs(3, 2, 1) });
  const [alone] = runLines([curve("b")], "loss", "epoch", runStyle).lines;
  const [, beside] = runLines([curve("a"), curve("b")], "loss", "epoch", runStyle).lines;
  expect([beside?.color, beside?.dash]).toEqual([alone?.color, alone?.dash]);
});

test("runs of different lengths share one axis", () => {
  const chart = runLines(
    [
      { id: "a", label: "a", epochs: epochs(1) },
      { id: "b", label: "b", epochs: epochs(1, 2) },
      { id: "c", label: "c", epochs: {} },
    ],
    "loss",
    "step",
    runStyle,
  );
  expect(chart.x.values).toEqual([10, 20]);
  expect(chart.lines.map((line) => line.values)).toEqual([
    [1, undefined],
    [1, 2],
  ]);
});

test("a mean ends where the first run of its group ends", () => {
  const runs = [epochs(1, 2, 3), epochs(3, 4)];
  expect(groupRows(runs, "loss", "epoch", "range")).toEqual([
    { x: 1, mean: 2, low: 1, high: 3 },
    { x: 2, mean: 3, low: 2, high: 4 },
  ]);
  const [first] = groupRows(runs, "loss", "epoch", "deviation");
  expect([first?.low, first?.high]).toEqual([2 - Math.SQRT2, 2 + Math.SQRT2]);
});

test("the mean of a group of runs with 100,000 epochs is that of each epoch", () => {
  const long = (scale: number) => epochs(...Array.from({ length: 100_000 }, (_, index) => index * scale));
  const rows = groupRows([long(1), long(3)], "loss", "epoch", "range");
  expect([rows.length, rows[76_543]]).toEqual([
    100_000,
    { x: 76_544, mean: 153_086, low: 76_543, high: 229_629 },
  ]);
  const { x } = runLines(
    [
      { id: "a", label: "a", epochs: long(1) },
      { id: "b", label: "b", epochs: epochs(1, 2) },
    ],
    "loss",
    "epoch",
    runStyle,
  );
  expect([x.values.length, x.values[76_543]]).toEqual([100_000, 76_544]);
});

test("the legend of a group has its n, and a single run has no band", () => {
  const group = (key: string, n: number) => ({
    group: { key, value: key, runs: Array(n).fill({}) } as Group,
    label: key,
    epochs: Array(n).fill(epochs(1, 2)),
  });
  const { lines } = groupLines([group("a", 2), group("b", 1)], "loss", "epoch", "range", runStyle);
  expect(lines.map((line) => [line.label, line.band !== undefined])).toEqual([
    ["a (n = 2)", true],
    ["b (n = 1)", false],
  ]);
});
