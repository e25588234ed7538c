/** The drawing of a line chart: a uPlot that is made once and then only gets data. */
import uPlot from "uplot";
import { dashedPaths } from "./dashes";
import { onSchemeChange, resolveColor } from "./theme";
import { evenTicks, logTicks, padRange } from "./ticks";
import type { Axis, Level, Line, Mark, Range, Values } from "./types";
import { lineId } from "./types";
import { joinZoom, scaleRange, type Zoomable, zoomTo } from "./zoom";

export interface Drawing {
  x: Axis;
  lines: readonly Line[];
  isLog: boolean;
  marks: readonly Mark[] | undefined;
  level: Level | undefined;
  hidden: ReadonlySet<string>;
  format: (value: number) => string;
}

export interface PlotOptions {
  height: number;
  /** Charts with one key have one cursor and one zoom. */
  syncKey: string;
  /** Called with the position of the cursor in `x.values`, or null if it left. */
  onCursor: (index: number | null) => void;
}

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const Y_AXIS_WIDTH = 60;
/** More lines than this are thin and have cheaper dashes, so that a frame suffices for all. */
const MOST_COSTLY_LINES = 10;
const LABEL_HEIGHT = 14;
/** Labels of marks above each other; those of further marks share the last row. */
const MOST_LABELS = 3;
const BAND_OPACITY = 0.18;

/** What needs another uPlot: other lines or another scale. Values, marks and hidden lines do not. */
export function shapeOf(drawing: Drawing): string {
  const lines = drawing.lines.map((line) => [
    lineId(line),
    line.color,
    line.dash,
    line.width,
    line.band !== undefined,
  ]);
  return JSON.stringify([lines, drawing.isLog, drawing.x.label]);
}

function dashOf(line: Line, isMany: boolean): Pick<uPlot.Series, "dash" | "paths"> {
  if (!line.dash || line.dash.length === 0) return {};
  return isMany ? { paths: dashedPaths(line.dash) } : { dash: [...line.dash] };
}

export class Plot implements Zoomable {
  private readonly plot: uPlot;
  private readonly ends: (() => void)[] = [];
  private readonly zoomKey: string;
  private zoom: Range | null = null;
  /** Position of the series of each line in the data; a line with a band has two more behind it. */
  private readonly seriesOf = new Map<string, number>();
  private frame = 0;

  constructor(
    element: HTMLElement,
    private drawing: Drawing,
    private readonly options: PlotOptions,
  ) {
    this.zoomKey = `${options.syncKey} ${drawing.x.label}`;
    this.plot = new uPlot(this.uplotOptions(element.clientWidth), this.data(), element);
    this.ends.push(onSchemeChange(() => this.plot.redraw(false)));
    this.ends.push(this.followSize(element));
    this.ends.push(joinZoom(this.zoomKey, this));
  }

  /** Draws what has changed with the next frame. */
  update(drawing: Drawing): void {
    this.drawing = drawing;
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  showRange(range: Range | null): void {
    this.zoom = range;
    if (range) this.plot.setScale("x", { min: range[0], max: range[1] });
    else this.draw();
  }

  /** Moves the cursor by some positions, or to an end. */
  moveCursor(move: (index: number, last: number) => number): void {
    const last = this.drawing.x.values.length - 1;
    const [low, high] = this.visible();
    const present = this.plot.cursor.idx ?? this.drawing.x.values.findIndex((value) => value >= low);
    const index = Math.min(Math.max(move(Math.max(present, 0), last), 0), last);
    const position = this.drawing.x.values[index];
    if (position === undefined) return;
    if (position < low || position > high) this.pan(position);
    this.putCursor(this.plot.valToPos(position, "x"), 1);
  }

  hideCursor(): void {
    this.putCursor(-10, -10);
  }

  zoomBy(factor: number): void {
    const [low, high] = this.visible();
    const index = this.plot.cursor.idx;
    const center = typeof index === "number" ? this.drawing.x.values[index] : undefined;
    zoomTo(this.zoomKey, scaleRange([low, high], this.whole(), center ?? (low + high) / 2, factor));
  }

  resetZoom(): void {
    zoomTo(this.zoomKey, null);
  }

  destroy(): void {
    cancelAnimationFrame(this.frame);
    for (const end of this.ends) end();
    this.plot.destroy();
  }

  private putCursor(left: number, top: number): void {
    // The third argument, which the types of uPlot lack, moves the cursors of the other charts too.
    const setCursor: (at: { left: number; top: number }, fire: boolean, publish: boolean) => void =
      this.plot.setCursor;
    setCursor({ left, top }, true, true);
  }

  private draw(): void {
    const { plot, drawing, zoom } = this;
    plot.batch(() => {
      for (const line of drawing.lines) this.showLine(line, !drawing.hidden.has(lineId(line)));
      plot.setData(this.data(), zoom === null);
      if (zoom) plot.setScale("x", { min: zoom[0], max: zoom[1] });
    });
  }

  private showLine(line: Line, show: boolean): void {
    const index = this.seriesOf.get(lineId(line)) ?? 0;
    if (this.plot.series[index]?.show === show) return;
    const size = line.band ? 3 : 1;
    for (let each = index; each < index + size; each++) this.plot.setSeries(each, { show }, false);
  }

  private pan(center: number): void {
    const [low, high] = this.visible();
    const whole = this.whole();
    const start = Math.min(Math.max(center - (high - low) / 2, whole[0]), whole[1] - (high - low));
    zoomTo(this.zoomKey, [start, start + high - low]);
  }

  private visible(): Range {
    const whole = this.whole();
    const { min, max } = this.plot.scales.x ?? {};
    return [min ?? whole[0], max ?? whole[1]];
  }

  private whole(): Range {
    const { values } = this.drawing.x;
    return [values[0] ?? 0, values.at(-1) ?? 1];
  }

  private data(): uPlot.AlignedData {
    const { x, lines, isLog } = this.drawing;
    // A logarithm exists only above 0; what is not above is a gap.
    const drawable = (values: Values) =>
      isLog ? values.map((value) => (typeof value === "number" && value <= 0 ? null : value)) : [...values];
    const series = lines.flatMap((line) =>
      (line.band ? [line.values, line.band.high, line.band.low] : [line.values]).map(drawable),
    );
    return [[...x.values], ...series];
  }

  private uplotOptions(width: number): uPlot.Options {
    const { series, bands } = this.seriesAndBands();
    return {
      width: Math.max(width, 1),
      height: this.options.height,
      series,
      bands,
      // Marks have their labels above the lines. The room is there before the marks, so that nothing moves later.
      padding: [this.drawing.marks ? LABEL_HEIGHT * MOST_LABELS + 4 : 10, 12, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: false },
        y: {
          distr: this.drawing.isLog ? 3 : 1,
          range: (_, low, high) => this.yRange(low, high),
        },
      },
      axes: [this.xAxis(), this.yAxis()],
      cursor: {
        y: false,
        points: { size: 7 },
        drag: { x: true, y: false, setScale: false },
        sync: {
          key: this.options.syncKey,
          scales: ["x", null],
          filters: { pub: (type) => type === "mousemove" },
        },
        bind: {
          dblclick: () => () => {
            this.resetZoom();
            return null;
          },
        },
      },
      hooks: {
        setCursor: [(plot) => this.options.onCursor(plot.cursor.idx ?? null)],
        setSelect: [(plot) => this.takeSelection(plot)],
        drawClear: [(plot) => this.drawAreas(plot)],
        draw: [(plot) => this.drawMarks(plot)],
      },
    };
  }

  private seriesAndBands(): { series: uPlot.Series[]; bands: uPlot.Band[] } {
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    const isMany = this.drawing.lines.length > MOST_COSTLY_LINES;
    for (const [position, line] of this.drawing.lines.entries()) {
      const index = series.length;
      this.seriesOf.set(lineId(line), index);
      const show = !this.drawing.hidden.has(lineId(line));
      const color = () => resolveColor(this.drawing.lines[position]?.color ?? line.color);
      series.push({
        show,
        stroke: color,
        width: line.width ?? (isMany ? 1 : 2),
        ...dashOf(line, isMany),
        points: { size: 5, stroke: color, fill: color, ...(line.isBackground && { show: false }) },
      });
      if (!line.band) continue;
      series.push({ show, width: 0, points: { show: false } }, { show, width: 0, points: { show: false } });
      bands.push({ series: [index + 1, index + 2], fill: () => this.fade(color(), BAND_OPACITY) });
    }
    return { series, bands };
  }

  private xAxis(): uPlot.Axis {
    return {
      ...this.axisStyle(),
      size: 34,
      splits: (plot, _, low, high) => this.xTicks(low, high, plot.bbox.width / devicePixelRatio / 48),
      values: (_, ticks) => ticks.map((tick) => (this.drawing.x.format ?? String)(tick)),
    };
  }

  private xTicks(low: number, high: number, most: number): number[] {
    const ticks = evenTicks(low, high, most);
    return this.drawing.x.values.every(Number.isInteger) ? ticks.filter(Number.isInteger) : ticks;
  }

  private yAxis(): uPlot.Axis {
    return {
      ...this.axisStyle(),
      size: Y_AXIS_WIDTH,
      splits: (plot, _, low, high) =>
        (this.drawing.isLog ? logTicks : evenTicks)(low, high, plot.bbox.height / devicePixelRatio / 32),
      // uPlot leaves most labels of a logarithmic axis out; these ticks are few enough to have one each.
      filter: (_, ticks) => ticks,
      values: (_, ticks) => ticks.map((tick) => shortText(tick, this.drawing.format(tick))),
    };
  }

  private axisStyle(): uPlot.Axis {
    const line = { stroke: () => resolveColor("var(--line)"), width: 1 };
    return {
      font: FONT,
      stroke: () => resolveColor("var(--quiet)"),
      grid: line,
      ticks: { ...line, size: 4 },
    };
  }

  private yRange(low: number | null, high: number | null): uPlot.Range.MinMax {
    const { level, isLog } = this.drawing;
    const lowest = level && low !== null ? Math.min(low, level.low) : low;
    const highest = level && high !== null ? Math.max(high, level.high) : high;
    const [start, end] = padRange(lowest, highest, isLog);
    return [start, end];
  }

  private takeSelection(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const range: Range = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    zoomTo(this.zoomKey, range);
  }

  private drawAreas(plot: uPlot): void {
    const { level, marks } = this.drawing;
    this.clip(plot, () => {
      if (level) {
        const top = plot.valToPos(level.high, "y", true);
        plot.ctx.fillStyle = this.fade(resolveColor(level.color), BAND_OPACITY);
        plot.ctx.fillRect(plot.bbox.left, top, plot.bbox.width, plot.valToPos(level.low, "y", true) - top);
      }
      for (const mark of marks ?? []) {
        if (mark.to === undefined) continue;
        const left = plot.valToPos(mark.from, "x", true);
        plot.ctx.fillStyle = this.fade(resolveColor(mark.color), BAND_OPACITY);
        plot.ctx.fillRect(left, plot.bbox.top, plot.valToPos(mark.to, "x", true) - left, plot.bbox.height);
      }
    });
  }

  private drawMarks(plot: uPlot): void {
    const { marks = [], level } = this.drawing;
    this.clip(plot, () => {
      for (const mark of marks) if (mark.to === undefined) this.drawMark(plot, mark);
      if (level)
        this.drawLabel(plot, { ...level, left: plot.bbox.left, top: plot.valToPos(level.high, "y", true) });
    });
    for (const [index, { label, color, from }] of marks.entries()) {
      const left = plot.valToPos(from, "x", true);
      const isVisible = left >= plot.bbox.left && left <= plot.bbox.left + plot.bbox.width;
      // Each label has a row of its own, so that marks side by side stay legible.
      const row = MOST_LABELS - Math.min(index, MOST_LABELS - 1);
      const top = plot.bbox.top - row * LABEL_HEIGHT * devicePixelRatio;
      if (isVisible) this.drawLabel(plot, { label, color, left, top });
    }
  }

  private drawMark(plot: uPlot, mark: Mark): void {
    const { ctx, bbox } = plot;
    const left = plot.valToPos(mark.from, "x", true);
    ctx.strokeStyle = resolveColor(mark.color);
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(left, bbox.top);
    ctx.lineTo(left, bbox.top + bbox.height);
    ctx.stroke();
  }

  /** Writes right of a position, or left of it where it would be cut off. */
  private drawLabel(plot: uPlot, at: { label: string; color: string; left: number; top: number }): void {
    const { ctx, bbox } = plot;
    ctx.fillStyle = resolveColor(at.color);
    ctx.font = FONT.replace("12px", `${11 * devicePixelRatio}px`);
    const room = 4 * devicePixelRatio;
    const fits = at.left + room + ctx.measureText(at.label).width < bbox.left + bbox.width;
    ctx.textAlign = fits ? "left" : "right";
    ctx.textBaseline = "top";
    ctx.fillText(at.label, fits ? at.left + room : at.left - room, at.top + devicePixelRatio);
  }

  private clip(plot: uPlot, paint: () => void): void {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    paint();
    ctx.restore();
  }

  private fade(color: string, opacity: number): string {
    return resolveColor(`color-mix(in srgb, ${color} ${opacity * 100}%, transparent)`);
  }

  private followSize(element: HTMLElement): () => void {
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.options.height });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }
}

/** Long numbers would be cut off at the edge. */
function shortText(tick: number, text: string): string {
  return text.length > 7 ? tick.toExponential(1).replace(".0e", "e").replace("+", "") : text;
}
