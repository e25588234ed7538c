/** The colour and the dash of a run follow from its id alone, so that they are the same on every page and for everybody. */

const HUES = 24;
/** Lengths of line and gap in pixels; the first is a line without gaps. */
const DASHES: readonly (readonly number[])[] = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

/** FNV-1a: ids that differ in one character get different colours. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}

/** Returns a colour that is legible on a light and on a dark background. */
export function runColor(id: string): string {
  return `oklch(var(--line-lightness) 0.15 ${(hash(id) % HUES) * (360 / HUES)})`;
}

export function runDash(id: string): readonly number[] {
  return DASHES[Math.floor(hash(id) / HUES) % DASHES.length] ?? [];
}
