/** What the address says about the comparison. */
import { changeView, listed, query } from "../../address";
import type { Range } from "../../charts/types";
import { X_AXES, type XAxis } from "../../runs/positions";
import type { Band } from "./lines";

export interface View {
  x: XAxis;
  group: string;
  band: Band;
  isLog: boolean;
  hidden: ReadonlySet<string>;
  zoom: Range | null;
  scatter: string;
  showsAll: boolean;
}

export function readView(): View {
  const value = (name: string) => query.value.get(name) ?? "";
  const x = value("x") as XAxis;
  return {
    x: X_AXES.includes(x) ? x : "epoch",
    group: value("group"),
    band: value("band") === "deviation" ? "deviation" : "range",
    isLog: value("scale") === "log",
    hidden: new Set(listed("hide")),
    zoom: parseZoom(value("zoom")),
    scatter: value("scatter"),
    showsAll: value("fields") === "all",
  };
}

/** Reads `3,17.5`; null for anything that is no range. */
export function parseZoom(text: string): Range | null {
  const [low, high, ...more] = text.split(",").map(Number);
  if (low === undefined || high === undefined || more.length > 0) return null;
  return Number.isFinite(low) && low < high ? [low, high] : null;
}

export function formatZoom(range: Range | null): string {
  return range ? range.map((value) => Number(value.toPrecision(4))).join(",") : "";
}

export function toggleHidden(id: string): void {
  const ids = listed("hide");
  changeView({ hide: ids.includes(id) ? ids.filter((each) => each !== id) : [...ids, id] });
}

/** Leaves runs out of the comparison. */
export function leaveOut(ids: readonly string[]): void {
  changeView({ runs: listed("runs").filter((id) => !ids.includes(id)) });
}
