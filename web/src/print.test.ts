import { expect, test } from "vitest";
import type { Json } from "./json";
import { asCommand, asCurl, printJson, printPython, quoteForShell } from "./print";

const ODD: Json = {
  name: `it's "odd" $HOME \`x\` !! \\ \n 🥖 \u202e \ud800 %s`,
  labels: { "'": "''" },
  dropout: [0.5, 1e-7],
  norm: null,
  stages: [Array.from({ length: 40 }, (_, index) => index), []],
  objective: { tasks: [{ target: "age", weight: 2, loss: null }], empty: {} },
};

test("what is printed is the same document", () => {
  expect(JSON.parse(printJson(ODD))).toEqual(ODD);
});

test("a small list stays in one line, a recipe has a line for each field", () => {
  expect(printJson({ dataset: "digits", architecture: { type: "mlp", hidden: [64, 64] } })).toBe(
    '{\n  "dataset": "digits",\n  "architecture": {"type": "mlp", "hidden": [64, 64]}\n}',
  );
});

test("Python has its own words for null, true and false", () => {
  expect(printPython({ norm: null, affine: true, freeze: [false] })).toBe(
    '{\n  "norm": None,\n  "affine": True,\n  "freeze": [False]\n}',
  );
});

test("a quote of the shell ends before a single quote", () => {
  expect(quoteForShell("it's")).toBe("'it'\\''s'");
});

/** Returns the words of a command, as a POSIX shell reads what is made of single quotes and backslashes only. */
function shellWords(command: string): string[] {
  const words = [""];
  for (const [part] of command.matchAll(/'[^']*'|\\[\s\S]|\s+|[^'\\\s]+/g)) {
    if (/^\s+$/.test(part)) words.push("");
    else words.push(words.pop() + (part.startsWith("'") ? part.slice(1, -1) : part.replace(/^\\/, "")));
  }
  return words;
}

test("the body of curl is the body that the page sends, whatever the texts in it", () => {
  const body = printJson(ODD);
  expect(shellWords(asCurl([body], "http://host:1/it's/"))).toEqual([
    "curl",
    "http://host:1/it's/v1/runs",
    "-H",
    "Content-Type: application/json",
    "--data-raw",
    body,
  ]);
  expect(shellWords(asCommand(body, "http://host:1/", "0-4"))[2]).toBe(body);
});
