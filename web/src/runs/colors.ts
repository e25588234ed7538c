/**
 * The colour and the dash of a run follow from its id alone, so that they are the same on every page and for everybody;
 * only in a comparison, a run that would look like another one gets others.
 */

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

/** How a run is drawn: in a colour that is legible on a light and on a dark background, and with a dash. */
export interface Style {
  color: string;
  dash: readonly number[];
}

const STYLES = HUES * DASHES.length;

export function runStyle(id: string, index: number = hash(id) % STYLES): Style {
  return {
    color: `oklch(var(--line-lightness) 0.15 ${(index % HUES) * (360 / HUES)})`,
    dash: DASHES[Math.floor(index / HUES)] ?? [],
  };
}

/** Whether two styles have the same dash and colours that are hard to tell apart. */
function areAlike(one: number, other: number): boolean {
  const apart = Math.abs(one - other);
  const isSameDash = Math.floor(one / HUES) === Math.floor(other / HUES);
  return isSameDash && (apart <= 1 || apart === HUES - 1);
}

/**
 * Returns the styles of runs that are drawn together. Of two that look alike the younger gets the next free style, first
 * with another dash. A run that is hidden keeps its style; only one that is left out of the comparison frees it.
 */
export function distinctStyles(oldestFirst: readonly string[]): (id: string) => Style {
  const taken = new Map<string, number>();
  for (const id of oldestFirst) {
    const own = hash(id) % STYLES;
    const others = [...taken.values()];
    const candidates = Array.from(
      { length: STYLES },
      (_, tried) => (own + tried * HUES + Math.floor(tried / DASHES.length)) % STYLES,
    );
    const free =
      candidates.find((each) => !others.some((other) => areAlike(each, other))) ??
      candidates.find((each) => !others.includes(each));
    taken.set(id, free ?? own);
  }
  return (id) => runStyle(id, taken.get(id));
}
