import { expect, test } from "vitest";
import { joinZoom, scaleRange, zoomTo } from "./zoom";

test("charts of one key are zoomed together, and one that comes later too", () => {
  const seen: unknown[] = [];
  const leave = joinZoom("a", { showRange: (range) => seen.push(range) });
  joinZoom("b", { showRange: () => seen.push("other") });
  zoomTo("a", [2, 4]);
  const leaveToo = joinZoom("a", { showRange: (range) => seen.push(range) });
  expect(seen).toEqual([
    [2, 4],
    [2, 4],
  ]);
  leave();
  leaveToo();
  joinZoom("a", { showRange: (range) => seen.push(range) });
  expect(seen).toHaveLength(2);
});

test("zooming in keeps the centre, and zooming out ends with everything", () => {
  expect(scaleRange([0, 10], [0, 10], 4, 0.5)).toEqual([2, 7]);
  expect(scaleRange([2, 7], [0, 10], 4, 2)).toBeNull();
});
