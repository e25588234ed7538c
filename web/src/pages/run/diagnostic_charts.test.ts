import { expect, test } from "vitest";
import type { Diagnostics } from "../../runs/columns";
import { layerCharts } from "./diagnostic_charts";

const chartsOf = (diagnostics: Diagnostics) => layerCharts(diagnostics, (name) => `About ${name}.`);

test("the variance shift is the ratio of the variances by norm layer, with the usual values around 1", () => {
  const values = {
    layers: [
      ["a", "b"],
      ["a", "b"],
    ],
    moving: [
      [2, 1],
      [1, 0],
    ],
    real: [
      [1, 4],
      [1, 1],
    ],
  };
  const [found] = chartsOf({ variance_shift: { epoch: [1, 2], step: [5, 10], ...values } });
  expect(found?.x.values).toEqual([1, 2]);
  expect(found?.note).toBe("About variance_shift.");
  expect(found?.lines?.map((line) => [line.label, line.values])).toEqual([
    ["a", [0.5, 1]],
    ["b", [4, null]],
  ]);
  expect(found?.level).toMatchObject({ low: 0.57, high: 1.75 });
  expect(found?.isLog).toBe(true);
});

test("saturation is a heat map with a row for each layer", () => {
  const values = {
    layers: [
      ["a", "b"],
      ["a", "b"],
    ],
    saturated: [
      [0.1, 0.2],
      [0.3, null],
    ],
  };
  const [found] = chartsOf({ saturation: { epoch: [1, 2], step: [5, 10], ...values } });
  expect(found?.heat).toEqual({
    labels: ["a", "b"],
    rows: [
      [0.1, 0.3],
      [0.2, null],
    ],
    isLog: false,
  });
});

test("a diagnostic that is new to the page is drawn from what it contains", () => {
  const values = { layers: [["a"]], width: [[3]], worst: [7], rows: [["text"]] };
  const charts = chartsOf({ new_one: { epoch: [1], step: [5], ...values } });
  expect(charts.map((chart) => chart.title)).toEqual(["New one: width", "New one: worst"]);
  expect(charts[0]?.heat?.rows).toEqual([[3]]);
  expect(charts[1]?.lines?.[0]?.values).toEqual([7]);
});

test("a diagnostic without values has no chart", () => {
  expect(chartsOf({ saturation: { epoch: [], step: [] } })).toEqual([]);
});
