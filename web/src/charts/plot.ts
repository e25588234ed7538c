/** The drawing of a line chart on a canvas: made once, and then painted again, at most once a frame, when it changes. */
import { type Box, type Drawing, drawLines, type Frame, LABEL_HEIGHT, MOST_LABELS, paint } from "./paint";
import { clamp, extent, indicesIn, makeScale, nearest, xRange } from "./scale";
import { onSchemeChange, resolveColor } from "./theme";
import { padRange } from "./ticks";
import type { Range } from "./types";
import { lineId } from "./types";
import { joinZoom, pointAt, scaleRange, zoomTo } from "./zoom";

export interface PlotOptions {
  height: number;
  /** Charts with one key have one cursor and one zoom. */
  syncKey: string;
  /** Called with the position of the cursor in `x.values`, or null if it left. */
  onCursor: (index: number | null) => void;
}

export interface Plot {
  /** Draws what has changed with the next frame. */
  update(drawing: Drawing): void;
  /** Moves the cursor to the position that a function returns for its present index and the last one. */
  moveCursor(move: (index: number, last: number) => number): void;
  hideCursor(): void;
  zoomBy(factor: number): void;
  resetZoom(): void;
  destroy(): void;
}

const Y_AXIS_WIDTH = 60;
const X_AXIS_HEIGHT = 34;
const RIGHT_ROOM = 12;
const TOP_ROOM = 10;
/** A shorter drag is a click. */
const LEAST_DRAG = 4;
const DOT_RADIUS = 3.5;

export function makePlot(element: HTMLElement, first: Drawing, options: PlotOptions): Plot {
  const { height, syncKey, onCursor } = options;
  const key = `${syncKey} ${first.x.label}`;
  const canvas = document.createElement("canvas");
  /** The cursor and the selection, which change more often than the lines. */
  const overlay = document.createElement("canvas");
  let drawing = first;
  let frame: Frame | null = null;
  let zoom: Range | null = null;
  let cursor: number | null = null;
  let dragStart: number | null = null;
  let request = 0;

  const visible = () => zoom ?? xRange(drawing.x.values);
  const schedule = () => {
    request ||= requestAnimationFrame(draw);
  };

  function draw(): void {
    request = 0;
    const context = emptyCanvas(canvas, element.clientWidth, height);
    if (!context) return;
    frame = makeFrame(context, drawing, visible(), { width: element.clientWidth, height });
    paint(frame, drawing);
    drawOverlay();
  }

  function drawOverlay(selectionEnd: number | null = null): void {
    const context = emptyCanvas(overlay, element.clientWidth, height);
    if (!context || !frame) return;
    const { box, x } = frame;
    if (dragStart !== null && selectionEnd !== null) {
      context.fillStyle = resolveColor("color-mix(in srgb, var(--accent) 20%, transparent)");
      context.fillRect(dragStart, box.top, selectionEnd - dragStart, box.bottom - box.top);
    }
    if (cursor === null) return;
    const left = x.toPixel(drawing.x.values[cursor] ?? 0);
    // Without positions there is no place.
    if (!(left >= box.left && left <= box.right)) return;
    drawLines(context, { color: "var(--quiet)", dash: [3, 3] }, [[left, box.top, left, box.bottom]]);
    drawDots(context, frame, drawing, { index: cursor, left });
  }

  function pan(center: number): void {
    const [low, high] = visible();
    const [start, end] = xRange(drawing.x.values);
    const shifted = clamp(center - (high - low) / 2, start, end - (high - low));
    zoomTo(key, [shifted, shifted + high - low]);
  }

  /** Returns where the pointer is along the x axis, in pixels, inside of the axes. */
  const inside = ({ offsetX }: PointerEvent, { box }: Frame) => clamp(offsetX, box.left, box.right);

  const endDrag = (end: number | null) => {
    const start = dragStart;
    dragStart = null;
    if (start === null || end === null || !frame || Math.abs(end - start) < LEAST_DRAG) return drawOverlay();
    const { x } = frame;
    zoomTo(key, [x.toValue(Math.min(start, end)), x.toValue(Math.max(start, end))]);
  };
  overlay.onpointerdown = (event) => {
    if (event.button !== 0 || !frame) return;
    dragStart = inside(event, frame);
    overlay.setPointerCapture(event.pointerId);
  };
  overlay.onpointermove = (event) => {
    if (!frame) return;
    const end = inside(event, frame);
    pointAt(key, frame.x.toValue(end));
    if (dragStart !== null) drawOverlay(end);
  };
  overlay.onpointerup = (event) => endDrag(frame && inside(event, frame));
  // A touch that scrolls the page is no drag.
  overlay.onpointercancel = () => endDrag(null);
  overlay.onpointerleave = () => pointAt(key, null);
  overlay.ondblclick = () => zoomTo(key, null);

  canvas.className = "plot-lines";
  overlay.className = "plot-cursor";
  element.append(canvas, overlay);
  const observer = new ResizeObserver(schedule);
  observer.observe(element);
  const endScheme = onSchemeChange(schedule);
  const leaveZoom = joinZoom(key, {
    showRange(range) {
      zoom = range;
      schedule();
    },
    showCursor(value) {
      cursor = value === null ? null : nearest(drawing.x.values, value);
      drawOverlay();
      onCursor(cursor);
    },
  });
  draw();

  return {
    update(changed) {
      drawing = changed;
      schedule();
    },
    moveCursor(move) {
      const { values } = drawing.x;
      const [low, high] = visible();
      const present = cursor ?? nearest(values, low) ?? 0;
      const position = values[clamp(move(present, values.length - 1), 0, values.length - 1)];
      if (position === undefined) return;
      if (position < low || position > high) pan(position);
      pointAt(key, position);
    },
    hideCursor: () => pointAt(key, null),
    zoomBy(factor) {
      const [low, high] = visible();
      const center = cursor === null ? undefined : drawing.x.values[cursor];
      const range = scaleRange([low, high], xRange(drawing.x.values), center ?? (low + high) / 2, factor);
      zoomTo(key, range);
    },
    resetZoom: () => zoomTo(key, null),
    destroy() {
      cancelAnimationFrame(request);
      observer.disconnect();
      endScheme();
      leaveZoom();
      canvas.remove();
      overlay.remove();
    },
  };
}

function makeFrame(
  context: CanvasRenderingContext2D,
  { x, lines, hidden, isLog, marks, level }: Drawing,
  visible: Range,
  { width, height }: { width: number; height: number },
): Frame {
  const box: Box = {
    left: Y_AXIS_WIDTH,
    right: Math.max(width - RIGHT_ROOM, Y_AXIS_WIDTH + 1),
    // Marks have their labels above the lines. The room is there before the marks, so that nothing moves later.
    top: marks ? LABEL_HEIGHT * MOST_LABELS + 4 : TOP_ROOM,
    bottom: height - X_AXIS_HEIGHT,
  };
  const indices = indicesIn(x.values, visible);
  const [low, high] = extent(lines, hidden, indices, isLog);
  const yRange = padRange(
    level && low !== null ? Math.min(low, level.low) : low,
    level && high !== null ? Math.max(high, level.high) : high,
    isLog,
  );
  return {
    context,
    box,
    x: makeScale(visible, [box.left, box.right], false),
    y: makeScale(yRange, [box.bottom, box.top], isLog),
    xRange: visible,
    yRange,
    positions: x.values,
    indices,
    most: 2 * (box.right - box.left),
  };
}

/** Empties a canvas and makes it as large as the chart; null while the chart has no size. */
function emptyCanvas(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
): CanvasRenderingContext2D | null {
  const context = canvas.getContext("2d");
  if (!context || width === 0) return null;
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  canvas.style.height = `${height}px`;
  context.scale(devicePixelRatio, devicePixelRatio);
  return context;
}

/** Draws a dot on each line at the cursor. */
function drawDots(
  context: CanvasRenderingContext2D,
  { y, box }: Frame,
  { lines, hidden }: Drawing,
  cursor: { index: number; left: number },
): void {
  for (const line of lines) {
    const value = line.values[cursor.index];
    if (line.isBackground || hidden.has(lineId(line)) || typeof value !== "number") continue;
    const top = y.toPixel(value);
    if (!(top >= box.top && top <= box.bottom)) continue;
    context.fillStyle = resolveColor(line.color);
    context.beginPath();
    context.arc(cursor.left, top, DOT_RADIUS, 0, 2 * Math.PI);
    context.fill();
  }
}
