import { expect, test } from "vitest";
import { describeVersions, sortRows, summarize } from "./words";

const row = (name: string, status: "ok" | "warning" | "error") => ({ name, status, found: "" });

test("the gravest rows are first, and equal ones keep their order", () => {
  const rows = [row("a", "ok"), row("b", "error"), row("c", "warning"), row("d", "error")];
  expect(sortRows(rows).map((each) => each.name)).toEqual(["b", "d", "c", "a"]);
});

test("errors and warnings are counted", () => {
  expect(summarize([row("a", "ok")])).toBe("Everything is as it should be.");
  expect(summarize([row("a", "error"), row("b", "warning"), row("c", "warning")])).toBe(
    "1 error and 2 warnings:",
  );
  expect(summarize([row("b", "warning")])).toBe("1 warning:");
});

test("versions are listed by name", () => {
  expect(describeVersions({ versions: { bakehouse: "0.2.0", torch: "2.13.0" } })).toBe(
    "bakehouse 0.2.0, torch 2.13.0",
  );
});
