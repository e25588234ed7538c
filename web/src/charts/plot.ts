/** The drawing of a line chart on a canvas: made once, and then painted again, at most once a frame, when it changes. */
import { type Box, type Drawing, type Frame, LABEL_HEIGHT, MOST_LABELS, paint } from "./paint";
import { extent, indicesIn, makeScale, nearest, xRange } from "./scale";
import { onSchemeChange, resolveColor } from "./theme";
import { padRange } from "./ticks";
import type { Range } from "./types";
import { lineId } from "./types";
import { joinZoom, pointAt, scaleRange, type Zoomable, zoomTo } from "./zoom";

export interface PlotOptions {
  height: number;
  /** Charts with one key have one cursor and one zoom. */
  syncKey: string;
  /** Called with the position of the cursor in `x.values`, or null if it left. */
  onCursor: (index: number | null) => void;
}

const Y_AXIS_WIDTH = 60;
const X_AXIS_HEIGHT = 34;
const RIGHT_ROOM = 12;
const TOP_ROOM = 10;
/** A shorter drag is a click. */
const LEAST_DRAG = 4;
const DOT_RADIUS = 3.5;

export class Plot implements Zoomable {
  private readonly canvas = document.createElement("canvas");
  /** The cursor and the selection, which change more often than the lines. */
  private readonly overlay = document.createElement("canvas");
  private readonly ends: (() => void)[] = [];
  private readonly key: string;
  private frame: Frame | null = null;
  private zoom: Range | null = null;
  private cursor: number | null = null;
  private dragStart: number | null = null;
  private request = 0;

  constructor(
    private readonly element: HTMLElement,
    private drawing: Drawing,
    private readonly options: PlotOptions,
  ) {
    this.key = `${options.syncKey} ${drawing.x.label}`;
    this.canvas.className = "plot-lines";
    this.overlay.className = "plot-cursor";
    element.append(this.canvas, this.overlay);
    this.listen();
    this.ends.push(onSchemeChange(() => this.schedule()));
    const observer = new ResizeObserver(() => this.schedule());
    observer.observe(element);
    this.ends.push(() => observer.disconnect());
    this.ends.push(joinZoom(this.key, this));
    this.draw();
  }

  /** Draws what has changed with the next frame. */
  update(drawing: Drawing): void {
    this.drawing = drawing;
    this.schedule();
  }

  showRange(range: Range | null): void {
    this.zoom = range;
    this.schedule();
  }

  showCursor(value: number | null): void {
    this.cursor = value === null ? null : nearest(this.drawing.x.values, value);
    this.drawOverlay();
    this.options.onCursor(this.cursor);
  }

  /** Moves the cursor by some positions, or to an end. */
  moveCursor(move: (index: number, last: number) => number): void {
    const { values } = this.drawing.x;
    const [low, high] = this.visible();
    const present = this.cursor ?? values.findIndex((value) => value >= low);
    const index = Math.min(Math.max(move(Math.max(present, 0), values.length - 1), 0), values.length - 1);
    const position = values[index];
    if (position === undefined) return;
    if (position < low || position > high) this.pan(position);
    pointAt(this.key, position);
  }

  hideCursor(): void {
    pointAt(this.key, null);
  }

  zoomBy(factor: number): void {
    const [low, high] = this.visible();
    const center = this.cursor === null ? undefined : this.drawing.x.values[this.cursor];
    zoomTo(
      this.key,
      scaleRange([low, high], xRange(this.drawing.x.values), center ?? (low + high) / 2, factor),
    );
  }

  resetZoom(): void {
    zoomTo(this.key, null);
  }

  destroy(): void {
    cancelAnimationFrame(this.request);
    for (const end of this.ends) end();
    this.canvas.remove();
    this.overlay.remove();
  }

  private pan(center: number): void {
    const [low, high] = this.visible();
    const whole = xRange(this.drawing.x.values);
    const start = Math.min(Math.max(center - (high - low) / 2, whole[0]), whole[1] - (high - low));
    zoomTo(this.key, [start, start + high - low]);
  }

  private visible(): Range {
    return this.zoom ?? xRange(this.drawing.x.values);
  }

  private schedule(): void {
    if (this.request) return;
    this.request = requestAnimationFrame(() => {
      this.request = 0;
      this.draw();
    });
  }

  private draw(): void {
    const context = this.resized(this.canvas);
    if (!context) return;
    this.frame = this.frameFor(context);
    paint(this.frame, this.drawing);
    this.drawOverlay();
  }

  private frameFor(context: CanvasRenderingContext2D): Frame {
    const { drawing } = this;
    const box: Box = {
      left: Y_AXIS_WIDTH,
      right: Math.max(this.element.clientWidth - RIGHT_ROOM, Y_AXIS_WIDTH + 1),
      // Marks have their labels above the lines. The room is there before the marks, so that nothing moves later.
      top: drawing.marks ? LABEL_HEIGHT * MOST_LABELS + 4 : TOP_ROOM,
      bottom: this.options.height - X_AXIS_HEIGHT,
    };
    const xVisible = this.visible();
    const indices = indicesIn(drawing.x.values, xVisible);
    const yVisible = this.yRange(indices);
    return {
      context,
      box,
      x: makeScale(xVisible, [box.left, box.right], false),
      y: makeScale(yVisible, [box.bottom, box.top], drawing.isLog),
      xRange: xVisible,
      yRange: yVisible,
      positions: drawing.x.values,
      indices,
    };
  }

  private yRange(indices: Range): Range {
    const { lines, hidden, isLog, level } = this.drawing;
    const [low, high] = extent(lines, hidden, indices, isLog);
    const lowest = level && low !== null ? Math.min(low, level.low) : low;
    const highest = level && high !== null ? Math.max(high, level.high) : high;
    return padRange(lowest, highest, isLog);
  }

  /** Empties a canvas and makes it as large as the chart; null while the chart has no size. */
  private resized(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
    const [width, height] = [this.element.clientWidth, this.options.height];
    const context = canvas.getContext("2d");
    if (!context || width === 0) return null;
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    canvas.style.height = `${height}px`;
    context.scale(devicePixelRatio, devicePixelRatio);
    return context;
  }

  private drawOverlay(selectionEnd: number | null = null): void {
    const context = this.resized(this.overlay);
    const { frame, cursor } = this;
    if (!context || !frame) return;
    const { box, x } = frame;
    if (this.dragStart !== null && selectionEnd !== null) {
      context.fillStyle = resolveColor("color-mix(in srgb, var(--accent) 20%, transparent)");
      context.fillRect(this.dragStart, box.top, selectionEnd - this.dragStart, box.bottom - box.top);
    }
    const left = cursor === null ? undefined : x.toPixel(this.drawing.x.values[cursor] ?? 0);
    if (cursor === null || left === undefined || left < box.left || left > box.right) return;
    context.strokeStyle = resolveColor("var(--quiet)");
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(left, box.top);
    context.lineTo(left, box.bottom);
    context.stroke();
    this.drawDots(context, frame, cursor, left);
  }

  private drawDots(context: CanvasRenderingContext2D, { y, box }: Frame, cursor: number, left: number): void {
    for (const line of this.drawing.lines) {
      const value = line.values[cursor];
      if (line.isBackground || this.drawing.hidden.has(lineId(line)) || typeof value !== "number") continue;
      const top = y.toPixel(value);
      if (!(top >= box.top && top <= box.bottom)) continue;
      context.fillStyle = resolveColor(line.color);
      context.beginPath();
      context.arc(left, top, DOT_RADIUS, 0, 2 * Math.PI);
      context.fill();
    }
  }

  private listen(): void {
    const { overlay } = this;
    overlay.onpointerdown = (event) => {
      if (event.button !== 0 || !this.frame) return;
      this.dragStart = this.inside(event);
      overlay.setPointerCapture(event.pointerId);
    };
    overlay.onpointermove = (event) => {
      if (!this.frame) return;
      pointAt(this.key, this.frame.x.toValue(this.inside(event)));
      if (this.dragStart !== null) this.drawOverlay(this.inside(event));
    };
    overlay.onpointerup = (event) => this.endDrag(this.inside(event));
    // A touch that scrolls the page is no drag.
    overlay.onpointercancel = () => this.endDrag(null);
    overlay.onpointerleave = () => pointAt(this.key, null);
    overlay.ondblclick = () => this.resetZoom();
  }

  private endDrag(end: number | null): void {
    const start = this.dragStart;
    this.dragStart = null;
    if (start === null || end === null || !this.frame || Math.abs(end - start) < LEAST_DRAG) {
      this.drawOverlay();
      return;
    }
    const { x } = this.frame;
    zoomTo(this.key, [x.toValue(Math.min(start, end)), x.toValue(Math.max(start, end))]);
  }

  /** Returns where the pointer is along the x axis, in pixels, inside of the axes. */
  private inside(event: PointerEvent): number {
    const { left = 0, right = 0 } = this.frame?.box ?? {};
    return Math.min(Math.max(event.offsetX, left), right);
  }
}
