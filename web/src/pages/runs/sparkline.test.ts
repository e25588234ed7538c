import { expect, test } from "vitest";
import { sparklinePath } from "./sparkline";

const SIZE = { width: 90, height: 99 };

test("the highest level is at the top, and what is not finite is a gap", () => {
  expect(sparklinePath([99, 0, null, 9], SIZE)).toBe("M0 0L30 99M90 90");
});

test("a curve of one point can be seen", () => {
  expect(sparklinePath([0], SIZE)).toBe("M0 99h1");
  expect(sparklinePath([null], SIZE)).toBe("");
});
