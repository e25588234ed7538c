/** Paints a line chart on a canvas, in pixels of CSS. */
import type { Format } from "./chart_figure";
import { dashPen, type Pen, solidPen } from "./dashes";
import { indicesToDraw, isDrawable, type Scale } from "./scale";
import { resolveColor } from "./theme";
import { evenTicks, logTicks } from "./ticks";
import type { Axis, Level, Line, Mark, Range, Values } from "./types";
import { lineId } from "./types";

export interface Drawing {
  x: Axis;
  lines: readonly Line[];
  isLog: boolean;
  marks: readonly Mark[] | undefined;
  level: Level | undefined;
  hidden: ReadonlySet<string>;
  format: Format;
}

export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** All that one painting needs. */
export interface Frame {
  context: CanvasRenderingContext2D;
  box: Box;
  x: Scale;
  y: Scale;
  xRange: Range;
  yRange: Range;
  positions: readonly number[];
  /** First and last index of the positions in the box. */
  indices: Range;
  /** Of so many parts of a line, each narrower than a pixel, only the extremes are drawn. */
  most: number;
}

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
export const LABEL_HEIGHT = 14;
/** Labels of marks above each other; those of further marks share the last row. */
export const MOST_LABELS = 3;
const BAND_OPACITY = 0.18;
const TICK_LENGTH = 4;
/** More lines than this are thin and have cheaper dashes, so that a frame suffices for all. */
const MOST_COSTLY_LINES = 10;
/** Points that are nearer to each other are not drawn besides their line. */
const POINT_DISTANCE = 12;
const POINT_RADIUS = 2.5;

export function paint(frame: Frame, drawing: Drawing): void {
  paintAxes(frame, drawing);
  clip(frame, () => {
    paintAreas(frame, drawing);
    const isMany = drawing.lines.length > MOST_COSTLY_LINES;
    for (const line of drawing.lines) {
      if (drawing.hidden.has(lineId(line))) continue;
      if (line.band) paintBand(frame, line, line.band, drawing.isLog);
      paintLine(frame, line, { isLog: drawing.isLog, isMany });
    }
    paintMarks(frame, drawing);
  });
  paintLabels(frame, drawing);
}

function paintAxes({ context, box, x, y, xRange, yRange }: Frame, drawing: Drawing): void {
  const isWhole = drawing.x.values.every(Number.isInteger);
  const xTicks = evenTicks(...xRange, (box.right - box.left) / 48).filter(
    (tick) => !isWhole || Number.isInteger(tick),
  );
  const yTicks = (drawing.isLog ? logTicks : evenTicks)(...yRange, (box.bottom - box.top) / 32);
  drawLines(context, { color: "var(--line)" }, [
    ...xTicks.map((tick): Ends => {
      const left = Math.round(x.toPixel(tick)) + 0.5;
      return [left, box.top, left, box.bottom + TICK_LENGTH];
    }),
    ...yTicks.map((tick): Ends => {
      const top = Math.round(y.toPixel(tick)) + 0.5;
      return [box.left - TICK_LENGTH, top, box.right, top];
    }),
  ]);
  context.fillStyle = resolveColor("var(--quiet)");
  context.font = `12px ${FONT}`;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const tick of xTicks)
    context.fillText((drawing.x.format ?? String)(tick), x.toPixel(tick), box.bottom + TICK_LENGTH + 4);
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of yTicks)
    context.fillText(shortText(tick, drawing.format(tick)), box.left - TICK_LENGTH - 4, y.toPixel(tick));
}

function paintAreas({ context, box, x, y }: Frame, { level, marks = [] }: Drawing): void {
  if (level) {
    context.fillStyle = fade(level.color);
    const top = y.toPixel(level.high);
    context.fillRect(box.left, top, box.right - box.left, y.toPixel(level.low) - top);
  }
  for (const { color, from, to } of marks) {
    if (to === undefined) continue;
    context.fillStyle = fade(color);
    const left = x.toPixel(from);
    context.fillRect(left, box.top, x.toPixel(to) - left, box.bottom - box.top);
  }
}

function paintBand(
  { context, x, y, positions, indices, most }: Frame,
  line: Line,
  band: { low: Values; high: Values },
  isLog: boolean,
): void {
  context.fillStyle = fade(line.color);
  context.beginPath();
  const edge: [number, number][] = [];
  const close = () => {
    for (const point of edge.reverse()) context.lineTo(...point);
    context.closePath();
    edge.length = 0;
  };
  const drawn = [band.low, band.high].flatMap((values) => indicesToDraw(values, indices, most));
  for (const index of new Set(drawn.sort((a, b) => a - b))) {
    const [low, high] = [band.low[index], band.high[index]];
    if (low === undefined || high === undefined) continue;
    if (!isDrawable(low, isLog) || !isDrawable(high, isLog)) {
      if (edge.length > 0) close();
      continue;
    }
    const left = x.toPixel(positions[index] ?? 0);
    if (edge.length === 0) context.moveTo(left, y.toPixel(high));
    else context.lineTo(left, y.toPixel(high));
    edge.push([left, y.toPixel(low)]);
  }
  if (edge.length > 0) close();
  context.fill();
}

function paintLine(frame: Frame, line: Line, { isLog, isMany }: { isLog: boolean; isMany: boolean }): void {
  const { context, x, y, positions, indices, box, most } = frame;
  const dash = line.dash ?? [];
  const path = new Path2D();
  const pen: Pen = isMany && dash.length > 0 ? dashPen(path, dash) : solidPen(path);
  const points = new Path2D();
  const isSparse = (box.right - box.left) / Math.max(indices[1] - indices[0], 1) >= POINT_DISTANCE;
  let before: readonly [number, number] | null = null;
  let isJoined = false;
  const addPoint = ([left, top]: readonly [number, number]) => {
    points.moveTo(left + POINT_RADIUS, top);
    points.arc(left, top, POINT_RADIUS, 0, 2 * Math.PI);
  };
  for (const index of indicesToDraw(line.values, indices, most)) {
    const value = line.values[index];
    if (value === undefined) continue;
    const point = isDrawable(value, isLog)
      ? ([x.toPixel(positions[index] ?? 0), y.toPixel(value)] as const)
      : null;
    if (before && point) pen(before, point);
    // A value between two gaps has no line, so that it would not be seen.
    if (before && !point && !isJoined) addPoint(before);
    if (point && isSparse && !line.isBackground) addPoint(point);
    isJoined = before !== null && point !== null;
    before = point;
  }
  if (before && !isJoined) addPoint(before);
  context.strokeStyle = context.fillStyle = resolveColor(line.color);
  context.lineWidth = line.width ?? (isMany ? 1 : 2);
  context.lineJoin = "round";
  context.setLineDash(isMany ? [] : [...dash]);
  context.stroke(path);
  context.fill(points);
}

function paintMarks({ context, box, x }: Frame, { marks = [] }: Drawing): void {
  for (const { color, from, to } of marks) {
    const left = x.toPixel(from);
    if (to === undefined) drawLines(context, { color, dash: [4, 3] }, [[left, box.top, left, box.bottom]]);
  }
}

function paintLabels(frame: Frame, { marks = [], level }: Drawing): void {
  const { box, x, y } = frame;
  if (level) paintLabel(frame, level, box.left, Math.max(y.toPixel(level.high), box.top));
  for (const [index, mark] of marks.entries()) {
    const left = x.toPixel(mark.from);
    if (left < box.left || left > box.right) continue;
    // Each label has a row of its own, so that marks side by side stay legible.
    const row = MOST_LABELS - Math.min(index, MOST_LABELS - 1);
    paintLabel(frame, mark, left, box.top - row * LABEL_HEIGHT);
  }
}

type Ends = readonly [fromX: number, fromY: number, toX: number, toY: number];

/** Draws straight lines of one kind. */
export function drawLines(
  context: CanvasRenderingContext2D,
  { color, width = 1, dash = [] }: { color: string; width?: number; dash?: readonly number[] },
  lines: readonly Ends[],
): void {
  context.strokeStyle = resolveColor(color);
  context.lineWidth = width;
  context.setLineDash([...dash]);
  context.beginPath();
  for (const [fromX, fromY, toX, toY] of lines) {
    context.moveTo(fromX, fromY);
    context.lineTo(toX, toY);
  }
  context.stroke();
}

/** Writes right of a position, or left of it where it would be cut off. */
function paintLabel(
  { context, box }: Frame,
  { label, color }: Mark | Level,
  left: number,
  top: number,
): void {
  context.fillStyle = resolveColor(color);
  context.font = `11px ${FONT}`;
  const fits = left + 4 + context.measureText(label).width < box.right;
  context.textAlign = fits ? "left" : "right";
  context.textBaseline = "top";
  context.fillText(label, fits ? left + 4 : left - 4, top + 1);
}

function clip({ context, box }: Frame, paintInside: () => void): void {
  context.save();
  context.beginPath();
  context.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  context.clip();
  paintInside();
  context.restore();
}

function fade(color: string): string {
  return resolveColor(`color-mix(in srgb, ${resolveColor(color)} ${BAND_OPACITY * 100}%, transparent)`);
}

/** Long numbers would be cut off at the edge. */
function shortText(tick: number, text: string): string {
  return text.length > 7 ? tick.toExponential(1).replace(".0e", "e").replace("+", "") : text;
}
