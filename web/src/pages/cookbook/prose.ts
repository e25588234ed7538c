/** The prose of a study, which is Markdown, as plain blocks. Nothing of it becomes HTML. */

export interface Piece {
  text: string;
  isCode: boolean;
}

export interface Block {
  kind: "heading" | "paragraph" | "item" | "code";
  pieces: readonly Piece[];
}

const FENCE = /^```.*$/m;
/** A blank line, or one before a heading or an item. */
const BREAK = /\n\s*\n|\n(?=#{1,6}\s|[-*]\s|\d+\.\s)/;
/** Two asterisks anywhere, or one at the beginning or end of a word; not that of a product. */
const EMPHASIS = /\*\*|(?<!\w)\*(?=\S)|(?<=\S)\*(?!\w)/g;
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
        ? { kind: "code" as const, pieces: [{ text: part.replace(/^\n|\n$/g, ""), isCode: true }] }
        : part.split(BREAK).map(readBlock),
    )
    .filter(({ pieces }) => pieces.some(({ text }) => text !== ""));
}

function readBlock(part: string): Block {
  const text = part.trim().replace(/\s*\n\s*/g, " ");
  const [kind, start] = KINDS.find(([, each]) => each.test(text)) ?? (["paragraph", /^/] as const);
  return { kind, pieces: readPieces(text.replace(start, "")) };
}

/** Splits off what is code. Of a link only its words are kept, and emphasis is left out. */
function readPieces(text: string): Piece[] {
  return text
    .split(/(`[^`]+`)/)
    .filter((each) => each !== "")
    .map((each) =>
      each.startsWith("`") && each.endsWith("`") && each.length > 2
        ? { text: each.slice(1, -1), isCode: true }
        : {
            text: each.replace(/\[([^\]]+)\]\([^)]*\)/g, "$1").replace(EMPHASIS, ""),
            isCode: false,
          },
    );
}
