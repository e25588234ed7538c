/** The axes of charts: what the address says of them, and how a user changes that. */
import { computed, effect } from "@preact/signals-core";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { changeView, query } from "../address";
import type { Range } from "../charts/types";
import { joinZoom, zoomTo } from "../charts/zoom";
import { X_AXES, type XAxis } from "../runs/positions";
import { Segments } from "./options";

export const xAxis = computed((): XAxis => X_AXES.find((each) => each === query.value.get("x")) ?? "epoch");
export const isLog = computed(() => query.value.get("y") === "log");
const zoom = computed(() => query.value.get("zoom") ?? "");

/** `y` is what the vertical axis shows. */
export function Axes({ y }: { y: string }) {
  return (
    <>
      <Segments
        label="x axis"
        options={X_AXES.map((each) => [each, each])}
        selected={xAxis.value}
        onSelect={(x) => changeView({ x: x === "epoch" ? null : x, zoom: null })}
      />
      <Segments
        label={`${y} axis`}
        options={[
          ["", "linear"],
          ["log", "log"],
        ]}
        selected={isLog.value ? "log" : ""}
        onSelect={(scale) => changeView({ y: scale })}
      />
    </>
  );
}

/** Shows the range of the address in the charts of a key, and notes in the address which range the user has chosen. */
export function ZoomInAddress({ charts: key }: { charts: string }) {
  const known = useRef("");
  useEffect(() => {
    const note = {
      showRange: (range: Range | null) => {
        known.current = formatZoom(range);
        changeView({ zoom: known.current });
      },
    };
    return joinZoom(key, note);
  }, [key]);
  // The charts have joined before: this part stands after them.
  useLayoutEffect(
    () =>
      effect(() => {
        if (zoom.value === known.current) return;
        known.current = zoom.value;
        zoomTo(key, parseZoom(zoom.value));
      }),
    [key],
  );
  return null;
}

/** Reads `3,17.5`; null for anything that is no range. */
export function parseZoom(text: string): Range | null {
  const [low = Number.NaN, high = Number.NaN] = text.split(",").map(Number);
  return low < high ? [low, high] : null;
}

export function formatZoom(range: Range | null): string {
  return range ? range.map((value) => Number(value.toPrecision(6))).join(",") : "";
}
