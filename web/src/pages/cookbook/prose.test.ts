import { expect, test } from "vitest";
import { readBlocks } from "./prose";

const plain = (text: string) => [{ text, isCode: false }];

test("headings, paragraphs, lists and code are told apart", () => {
  expect(
    readBlocks("# Title\nFirst line\nof a paragraph.\n\n- one\n  more\n- two\n```sh\na  b\n\nc\n```"),
  ).toEqual([
    { kind: "heading", pieces: plain("Title First line of a paragraph.") },
    { kind: "item", pieces: plain("one more") },
    { kind: "item", pieces: plain("two") },
    { kind: "code", pieces: [{ text: "a  b\n\nc", isCode: true }] },
  ]);
});

test("code in a line is a piece of its own, and links and emphasis are words", () => {
  expect(readBlocks("Set **`rate`** to *0.5*, as [the paper](https://x.test) says.")).toEqual([
    {
      kind: "paragraph",
      pieces: [
        { text: "Set ", isCode: false },
        { text: "rate", isCode: true },
        { text: " to 0.5, as the paper says.", isCode: false },
      ],
    },
  ]);
});

test("markup stays text", () => {
  expect(readBlocks("<img src=x onerror=alert(1)>")).toEqual([
    { kind: "paragraph", pieces: plain("<img src=x onerror=alert(1)>") },
  ]);
});
