import { expect, test } from "vitest";
import { verdictTitle } from "./verdict";

test("a verdict has a title in words", () => {
  expect(verdictTitle("non_finite")).toBe("Not finite");
  expect(verdictTitle("classes_never_predicted")).toBe("Classes never predicted");
});
