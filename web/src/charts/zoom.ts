/** Charts with one key have one zoom and one cursor, because they are read together. */
import type { Range } from "./types";

export interface Zoomable {
  showRange(range: Range | null): void;
  /** Moves the cursor to the position nearest to a value of the x axis; without a value, away. */
  showCursor?(value: number | null): void;
}

interface Group {
  members: Set<Zoomable>;
  range: Range | null;
}

const groups = new Map<string, Group>();

/** Adds a chart, which gets the present range of the others. Returns what removes it. */
export function joinZoom(key: string, member: Zoomable): () => void {
  const group = groups.get(key) ?? { members: new Set(), range: null };
  groups.set(key, group);
  group.members.add(member);
  if (group.range) member.showRange(group.range);
  return () => {
    group.members.delete(member);
    if (group.members.size === 0) groups.delete(key);
  };
}

/** Shows a range in all charts of the key; without a range, everything. */
export function zoomTo(key: string, range: Range | null): void {
  const group = groups.get(key);
  if (!group) return;
  group.range = range;
  for (const member of group.members) member.showRange(range);
}

/** Moves the cursor of all charts of the key. */
export function pointAt(key: string, value: number | null): void {
  for (const member of groups.get(key)?.members ?? []) member.showCursor?.(value);
}

/** Returns the range around a centre that is larger or smaller by a factor, inside of what there is. */
export function scaleRange(present: Range, whole: Range, center: number, factor: number): Range | null {
  const low = Math.max(center - (center - present[0]) * factor, whole[0]);
  const high = Math.min(center + (present[1] - center) * factor, whole[1]);
  return low <= whole[0] && high >= whole[1] ? null : [low, high];
}
