/** The prose of a study, which is Markdown, as plain blocks. Nothing of it becomes HTML. */

export interface Block {
  kind: "heading" | "paragraph" | "item" | "code";
  /** In backticks what is code, except in a block of code. */
  text: string;
}

const FENCE = /^```.*$/m;
/** A blank line, or one before a heading or an item. */
const BREAK = /\n\s*\n|\n(?=#{1,6}\s|[-*]\s|\d+\.\s)/;
/** Code in a line, which stays as it is, or a link. */
const LINK = /(`[^`]+`)|\[([^\]]+)\]\([^)]*\)/g;
/** Two asterisks anywhere, or one at the beginning or end of a word; not that of a product. */
const EMPHASIS = /(`[^`]+`)|\*\*|(?<!\w)\*(?=\S)|(?<=\S)\*(?!\w)/g;
const KINDS = [
  ["heading", /^#{1,6}\s+/],
  ["item", /^(?:[-*]|\d+\.)\s+/],
] as const;

/** Returns the blocks of a text in order. Lines that follow each other without a blank line are one paragraph. */
export function readBlocks(markdown: string): Block[] {
  return markdown
    .split(FENCE)
    .flatMap((part, index) =>
      index % 2 === 1
        ? { kind: "code" as const, text: part.replace(/^\n|\n$/g, "") }
        : part.split(BREAK).map(readBlock),
    )
    .filter(({ text }) => text !== "");
}

/** Of a link only its words are kept, and emphasis is left out. */
function readBlock(part: string): Block {
  const text = part.trim().replace(/\s*\n\s*/g, " ");
  const [kind, start] = KINDS.find(([, each]) => each.test(text)) ?? (["paragraph", /^/] as const);
  return { kind, text: text.replace(start, "").replace(LINK, "$1$2").replace(EMPHASIS, "$1") };
}
