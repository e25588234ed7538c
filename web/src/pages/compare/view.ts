/** What the address says about the comparison. */
import { computed } from "@preact/signals";
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
  scatter: string;
  showsAll: boolean;
}

/** The address without the zoom, which the chart alone shows: only with the others is anything drawn anew. */
const drawn = computed(() => {
  const names = new URLSearchParams(query.value);
  names.delete("zoom");
  return names.toString();
});
export const view = computed(() => readView(new URLSearchParams(drawn.value)));

function readView(names: URLSearchParams): View {
  const value = (name: string) => names.get(name) ?? "";
  return {
    x: X_AXES.find((each) => each === value("x")) ?? "epoch",
    group: value("group"),
    band: value("band") === "deviation" ? "deviation" : "range",
    isLog: value("scale") === "log",
    hidden: new Set(value("hide").split(",")),
    scatter: value("scatter"),
    showsAll: value("fields") === "all",
  };
}

export const zoom = computed(() => query.value.get("zoom") ?? "");

/** Reads `3,17.5`; null for anything that is no range. */
export function parseZoom(text: string): Range | null {
  const [low, high, ...more] = text.split(",").map(Number);
  if (low === undefined || high === undefined || more.length > 0) return null;
  return Number.isFinite(low) && low < high ? [low, high] : null;
}

export function formatZoom(range: Range | null): string {
  return range ? range.map((value) => Number(value.toPrecision(4))).join(",") : "";
}

/** Leaves runs out of the comparison. */
export function leaveOut(ids: readonly string[]): void {
  changeView({ runs: listed("runs").filter((id) => !ids.includes(id)) });
}
