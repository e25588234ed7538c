import { expect, test } from "vitest";
import type { Diagnostics } from "../../runs/columns";
import { layerCharts } from "./diagnostic_charts";

const ABOUT = [
  { type: "variance_shift", sentence: "About variance_shift.", charts: [] },
  {
    type: "saturation",
    sentence: "About saturation.",
    charts: [{ title: "Saturation", values: ["saturated"], layers: "layers", is_share: true, is_log: false }],
  },
  {
    type: "gradient_norms",
    sentence: "About gradient_norms.",
    charts: [
      { title: "Gradient, first layer to last", values: ["first_to_last"], is_share: false, is_log: true },
    ],
  },
];
const chartsOf = (diagnostics: Diagnostics) => layerCharts(diagnostics, ABOUT);

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

test("a value of the whole model is a line", () => {
  const [found] = chartsOf({ gradient_norms: { epoch: [1, 2], step: [5, 10], first_to_last: [0.5, null] } });
  expect(found?.title).toBe("Gradient, first layer to last");
  expect(found?.lines?.map((line) => [line.label, line.values])).toEqual([["first to last", [0.5, null]]]);
  expect(found?.isLog).toBe(true);
});

test("a diagnostic without values has no chart", () => {
  expect(chartsOf({ saturation: { epoch: [], step: [] } })).toEqual([]);
});
