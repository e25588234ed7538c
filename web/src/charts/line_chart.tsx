import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatNumber } from "../format";
import { ChartFigure, type Format } from "./chart_figure";
import { Legend } from "./legend";
import type { Drawing } from "./paint";
import { makePlot, type Plot } from "./plot";
import { describeLines } from "./sentences";
import type { Axis, Level, Line, Mark } from "./types";
import { lineId } from "./types";

export interface LineChartProps {
  title: string;
  x: Axis;
  lines: readonly Line[];
  /** Logarithmic axes have gaps where a value is not above 0. */
  isLog?: boolean;
  marks?: readonly Mark[];
  level?: Level;
  /** Charts with one key have one cursor and one zoom. */
  syncKey: string;
  height?: number;
  format?: Format;
  /** Which values are better, for the sentence. */
  goal?: "low" | "high";
  /** Said besides, for example that the chart shows a part of the points. */
  note?: string | undefined;
  /** The hidden lines, where something outside of the chart knows them, such as the address. */
  hidden?: ReadonlySet<string>;
  onToggle?: (id: string) => void;
}

/** Lines over one axis, with a legend, a sentence and a table. Drag to zoom, double click to see everything again. */
export function LineChart(props: LineChartProps) {
  const [ownHidden, setOwnHidden] = useState<ReadonlySet<string>>(new Set());
  const hidden = props.hidden ?? ownHidden;
  const toggle = props.onToggle ?? ((id: string) => setOwnHidden(toggled(ownHidden, id)));
  const chart = useChart(props, hidden);
  const format = props.format ?? formatNumber;
  const formatX = props.x.format ?? formatNumber;
  const sentence = useMemo(
    () =>
      describeLines(props.lines, {
        xLabel: props.x.label,
        x: props.x.values,
        goal: props.goal,
        formatX,
        format,
      }),
    [props.lines, props.x, props.goal],
  );
  return (
    <ChartFigure
      title={props.title}
      x={props.x}
      columns={props.lines}
      format={format}
      sentence={sentence}
      note={props.note}
    >
      <Legend lines={props.lines} hidden={hidden} onToggle={toggle} outputs={chart.outputs} />
      {/* biome-ignore lint/a11y/useSemanticElements: no element is a chart */}
      <div
        class="plot"
        ref={chart.element}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the cursor and the zoom are moved by keys
        tabIndex={0}
        role="group"
        aria-label={`${props.title}. Arrow keys move the cursor, plus and minus zoom, Escape shows everything, t shows the table.`}
        onKeyDown={(event) => chart.handleKey(event) && event.preventDefault()}
      />
      <span class="visually-hidden" role="status" ref={chart.spoken} />
    </ChartFigure>
  );
}

/** Makes the plot once and passes changes on to it. */
function useChart(props: LineChartProps, hidden: ReadonlySet<string>) {
  const element = useRef<HTMLDivElement>(null);
  const spoken = useRef<HTMLSpanElement>(null);
  const outputs = useRef(new Map<string, HTMLElement>()).current;
  const plot = useRef<Plot | null>(null);
  const isMovedByKey = useRef(false);
  const { x, lines, level, marks, syncKey, isLog = false, format = formatNumber } = props;
  const drawing: Drawing = { x, lines, isLog, marks, level, hidden, format };
  const latest = useRef(drawing);
  latest.current = drawing;

  const showCursor = (index: number | null) => {
    const text = readCursor(latest.current, index, outputs);
    if (isMovedByKey.current && spoken.current) spoken.current.textContent = text;
  };
  // Other values only update the plot, below.
  useLayoutEffect(() => {
    if (!element.current) return;
    plot.current = makePlot(element.current, latest.current, {
      height: props.height ?? 240,
      syncKey,
      onCursor: showCursor,
    });
    return () => plot.current?.destroy();
  }, [syncKey, x.label]);
  // A drawing is new with each rendering, its parts are not.
  useLayoutEffect(() => plot.current?.update(latest.current), [x, lines, marks, level, hidden, isLog]);

  const handleKey = (event: KeyboardEvent): boolean => {
    if (!plot.current || event.ctrlKey || event.metaKey || event.altKey) return false;
    isMovedByKey.current = true;
    const isKnown = pressKey(plot.current, event);
    isMovedByKey.current = false;
    return isKnown;
  };
  return { element, spoken, outputs, handleKey };
}

function pressKey(plot: Plot, { key, shiftKey }: KeyboardEvent): boolean {
  const stride = (last: number) => (shiftKey ? Math.max(Math.round(last / 10), 1) : 1);
  if (key === "ArrowLeft") plot.moveCursor((index, last) => index - stride(last));
  else if (key === "ArrowRight") plot.moveCursor((index, last) => index + stride(last));
  else if (key === "Home") plot.moveCursor(() => 0);
  else if (key === "End") plot.moveCursor((_, last) => last);
  else if (key === "+" || key === "=") plot.zoomBy(0.5);
  else if (key === "-") plot.zoomBy(2);
  else if (key === "Escape") {
    plot.resetZoom();
    plot.hideCursor();
  } else return false;
  return true;
}

/** Writes the values at the cursor into the legend. Returns them as a sentence. */
function readCursor(drawing: Drawing, index: number | null, outputs: Map<string, HTMLElement>): string {
  const position = index === null ? undefined : drawing.x.values[index];
  const parts = drawing.lines.flatMap((line) => {
    const output = outputs.get(lineId(line));
    const value = index === null ? undefined : line.values[index];
    const text = position === undefined ? "" : drawing.format(value);
    if (output && output.textContent !== text) output.textContent = text;
    return output && !drawing.hidden.has(lineId(line)) ? [`${line.label} ${text}`] : [];
  });
  return position === undefined
    ? ""
    : `${drawing.x.label} ${(drawing.x.format ?? formatNumber)(position)}: ${parts.join(", ")}`;
}

function toggled(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const changed = new Set(set);
  if (!changed.delete(id)) changed.add(id);
  return changed;
}
