/** The prose of a study, which is Markdown, as plain blocks. Nothing of it becomes HTML. */

export interface Piece {
  text: string;
  isCode: boolean;
}

export interface Block {
  kind: "heading" | "paragraph" | "item" | "code";
  pieces: readonly Piece[];
}

const FENCE = /^```/;
/** Two asterisks anywhere, or one at the beginning or end of a word; not that of a product. */
const EMPHASIS = /\*\*|(?<!\w)\*(?=\S)|(?<=\S)\*(?!\w)/g;
const BLOCKS = [
  ["heading", /^#{1,6}\s+/],
  ["item", /^(?:[-*]|\d+\.)\s+/],
] as const;

/** Returns the blocks of a text in order. Lines that follow each other without a blank line are one paragraph. */
export function readBlocks(markdown: string): Block[] {
  const blocks: Block[] = [];
  let lines: string[] = [];
  let isCode = false;
  const end = () => {
    if (lines.length > 0) blocks.push(isCode ? codeBlock(lines) : readBlock(lines));
    lines = [];
  };
  for (const line of markdown.split("\n")) {
    if (FENCE.test(line)) {
      end();
      isCode = !isCode;
    } else if (isCode) {
      lines.push(line);
    } else {
      if (line.trim() === "" || BLOCKS.some(([, start]) => start.test(line))) end();
      if (line.trim() !== "") lines.push(line.trim());
    }
  }
  end();
  return blocks;
}

function codeBlock(lines: readonly string[]): Block {
  return { kind: "code", pieces: [{ text: lines.join("\n"), isCode: true }] };
}

function readBlock(lines: readonly string[]): Block {
  const text = lines.join(" ");
  const [kind, start] = BLOCKS.find(([, each]) => each.test(text)) ?? (["paragraph", /^/] as const);
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
