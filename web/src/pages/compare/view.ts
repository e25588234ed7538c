/** What the address says about the comparison. */
import { computed } from "@preact/signals-core";
import { changeView, listed, query } from "../../address";
import { isLog, xAxis } from "../../parts/axes";
import type { XAxis } from "../../runs/positions";
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
    x: xAxis.value,
    group: value("group"),
    band: value("band") === "deviation" ? "deviation" : "range",
    isLog: isLog.value,
    hidden: new Set(value("hide").split(",")),
    scatter: value("scatter"),
    showsAll: value("fields") === "all",
  };
}

/** Leaves runs out of the comparison. */
export function leaveOut(ids: readonly string[]): void {
  changeView({ runs: listed("runs").filter((id) => !ids.includes(id)) });
}
