import { expect, test } from "vitest";
import { toCsv } from "./csv";

test("texts are quoted where they must be, and none is a formula for a spreadsheet", () => {
  expect(toCsv([["a,b", 'say "x"', "=1+1", -1, null]])).toBe(`"a,b","say ""x""",'=1+1,-1,\r\n`);
});
