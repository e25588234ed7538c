import { expect, test } from "vitest";
import { dashPen } from "./dashes";

function draw(...points: [number, number][]): string[] {
  const drawn: string[] = [];
  const path = {
    moveTo: (x: number, y: number) => drawn.push(`M${x},${y}`),
    lineTo: (x: number, y: number) => drawn.push(`L${x},${y}`),
  };
  const add = dashPen(path, [4, 2]);
  for (const [index, point] of points.entries()) {
    if (index > 0) add(points[index - 1] as [number, number], point);
  }
  return drawn;
}

test("a long segment is cut into dashes", () => {
  expect(draw([0, 0], [12, 24])).toEqual(["M0,0", "L4,8", "M6,12", "L10,20"]);
});

test("short segments lie in dashes or in gaps as the positions say", () => {
  expect(draw([0, 0], [3, 3], [5, 5], [7, 7])).toEqual(["M0,0", "L3,3", "L4,4", "M6,6", "L7,7"]);
});

test("positions between numbers that a computer can represent end too", () => {
  expect(draw([0.1, 0], [600.7, 1]).length).toBeGreaterThan(100);
});
