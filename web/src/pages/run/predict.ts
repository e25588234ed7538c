/** The rows that the page sends to predict, and the cells that a user types or pastes. */
import type { Column, DatasetCard, Run } from "../../api/types";

/** A number is a cell of a sample that nobody has edited: as a text it would be read with the column's decimal comma. */
export type Cells = Record<string, string | number>;

/** Returns the columns that a user fills in: those that the model may learn from. */
export function inputsOf({ recipe }: Run, card: DatasetCard): Column[] {
  const { dataset, objective } = recipe;
  const targets = [dataset.target, ...(objective?.tasks ?? []).map(({ target }) => target)];
  const { include = null, exclude = [], kinds = {} } = dataset.columns ?? {};
  return (card.columns ?? []).filter(({ name, kind }) => {
    if (targets.includes(name) || exclude.includes(name) || (include && !include.includes(name)))
      return false;
    return ["number", "category", "boolean", "date"].includes(kinds[name] ?? kind);
  });
}

/** Returns the cell of a sample, a number as such and all else as a user would type it. */
export function sampleCell(cell: unknown): string | number {
  if (typeof cell === "number") return cell;
  return cell === null || cell === undefined ? "" : String(cell);
}

/** Returns a row as it is sent: an empty field is an empty cell. */
export function rowOf(columns: readonly Column[], cells: Cells): Record<string, string | number | null> {
  return Object.fromEntries(columns.map(({ name, kind }) => [name, sentCell(cells[name] ?? "", kind)]));
}

function sentCell(cell: string | number, kind: Column["kind"]): string | number | null {
  // Other kinds are read from texts alone, such as days of eight digits.
  return typeof cell === "number" && kind === "number" ? cell : String(cell).trim() || null;
}

/** Returns the cells of a row that was copied from a table or a file, or null if it is none: as many cells as fields, or
 * as columns, or a JSON object. */
export function pastedCells(text: string, columns: readonly Column[], all: readonly Column[]): Cells | null {
  const line = text.trim();
  if (line.startsWith("{")) return cellsOf(parsed(line));
  for (const separator of ["\t", ";", ","]) {
    const cells = line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
    for (const names of [columns, all])
      if (cells.length > 1 && cells.length === names.length)
        return Object.fromEntries(names.map(({ name }, place) => [name, cells[place] ?? ""]));
  }
  return null;
}

function cellsOf(row: unknown): Cells | null {
  if (typeof row !== "object" || row === null) return null;
  return Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, sampleCell(cell)]));
}

/** Returns the value of a JSON text, or undefined if it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Returns a row of numbers, which a user types as JSON or with commas between them; a text that is none as it is, so
 * that the service says what is wrong. */
export function numbersOf(text: string): unknown {
  const found = parsed(text.trim());
  if (found !== undefined && typeof found === "object") return found;
  const cells = text.trim().split(/[\s,;]+/);
  return cells.map((cell) => (cell !== "" && Number.isFinite(Number(cell)) ? Number(cell) : cell));
}

/** Returns the column of a refused cell: `age` of `/rows/0/age`. */
export function columnAt(pointer: string | null | undefined): string | null {
  const name = /^\/rows\/0\/([^/]+)$/.exec(pointer ?? "")?.[1];
  return name === undefined ? null : name.replaceAll("~1", "/").replaceAll("~0", "~");
}
