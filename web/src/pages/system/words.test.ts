import { expect, test } from "vitest";
import { describeVersions, sortRows } from "./words";

const row = (name: string, status: "ok" | "warning" | "error") => ({ name, status, found: "" });

test("the gravest rows are first, and equal ones keep their order", () => {
  const rows = [row("a", "ok"), row("b", "error"), row("c", "warning"), row("d", "error")];
  expect(sortRows(rows).map((each) => each.name)).toEqual(["b", "d", "c", "a"]);
});

test("versions are listed by name", () => {
  expect(describeVersions({ versions: { bakehouse: "0.2.0", torch: "2.13.0" } })).toBe(
    "bakehouse 0.2.0, torch 2.13.0",
  );
});
