import { expect, test } from "vitest";
import { proposeName } from "./upload";

test("a name is proposed that the service takes", () => {
  expect(proposeName("Pets 2.tar.gz")).toBe("pets_2");
  expect(proposeName("houses.v2.csv")).toBe("houses.v2");
  expect(proposeName("_Übung-.csv")).toBe("bung");
  expect(proposeName("猫.zip")).toBe("data");
  expect(proposeName(`${"a".repeat(99)}.csv`)).toHaveLength(64);
});
