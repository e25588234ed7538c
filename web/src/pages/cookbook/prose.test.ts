import { expect, test } from "vitest";
import { readBlocks } from "./prose";

test("headings, paragraphs, lists and code are told apart", () => {
  expect(
    readBlocks("# Title\nFirst line\nof a paragraph.\n\n- one\n  more\n- two\n```sh\na  b\n\nc\n```"),
  ).toEqual([
    { kind: "heading", text: "Title First line of a paragraph." },
    { kind: "item", text: "one more" },
    { kind: "item", text: "two" },
    { kind: "code", text: "a  b\n\nc" },
  ]);
});

test("code in a line stays marked, and links and emphasis are words", () => {
  expect(readBlocks("Set **`rate`** to *0.5*, as [the paper](https://x.test) says of `2*3*4`.")).toEqual([
    { kind: "paragraph", text: "Set `rate` to 0.5, as the paper says of `2*3*4`." },
  ]);
});

test("markup stays text", () => {
  expect(readBlocks("<img src=x onerror=alert(1)>")).toEqual([
    { kind: "paragraph", text: "<img src=x onerror=alert(1)>" },
  ]);
});
