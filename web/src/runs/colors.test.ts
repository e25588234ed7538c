import { expect, test } from "vitest";
import { distinctStyles, runStyle } from "./colors";

const IDS = Array.from({ length: 96 }, (_, index) => `run_${index}`);
const text = (style: object) => JSON.stringify(style);

test("runs have the styles of their ids, and the younger of two that look alike gets another dash", () => {
  const own = text(runStyle("run_0"));
  const other = IDS.find((id) => id !== "run_0" && text(runStyle(id)) === own) ?? "";
  const styles = distinctStyles(["run_0", other]);
  expect(text(styles("run_0"))).toBe(own);
  expect(styles(other).color).toBe(runStyle(other).color);
  expect(styles(other).dash).not.toEqual(runStyle(other).dash);
  expect(text(distinctStyles([other, "run_0"])(other))).toBe(own);
});

test("as many runs as there are styles all look different", () => {
  const styles = distinctStyles(IDS);
  expect(new Set(IDS.map((id) => text(styles(id)))).size).toBe(96);
  expect(distinctStyles([...IDS, "run_more"])("run_more")).toBeDefined();
});
