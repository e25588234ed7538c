import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatNumber } from "../format";
import { ChartFigure, type Format } from "./chart_figure";
import { describeHeat, type Heat, heatRange, heatShare } from "./heat";
import { clamp } from "./scale";
import { onSchemeChange, resolveColor } from "./theme";
import type { Axis } from "./types";

const COLORS = 32;
/** Height of a heat map, if its rows are then neither too low to be read nor absurdly high. */
const HEIGHT = 180;

export interface HeatMapProps {
  title: string;
  x: Axis;
  heat: Heat;
  format?: Format;
  note?: string | undefined;
}

interface Cell {
  row: number;
  column: number;
}

/** Values by layer and epoch as colours, with a table behind a key. Arrow keys move from cell to cell. */
export function HeatMap({ title, x, heat, format = formatNumber, note }: HeatMapProps) {
  const [cell, setCell] = useState<Cell | null>(null);
  const range = useMemo(() => heatRange(heat), [heat]);
  const { cells, scale } = useColors(heat, range);
  const [rows, columns] = [heat.rows.length, x.values.length];
  const place = (column: number) => `${x.label} ${(x.format ?? formatNumber)(x.values[column] ?? 0)}`;
  const press = (event: KeyboardEvent) => {
    const next = moveCell(cell ?? { row: 0, column: columns - 1 }, event.key, rows, columns);
    if (event.key === "Escape") setCell(null);
    else if (next) setCell(next);
    else return;
    event.preventDefault();
  };
  const point = (event: MouseEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const at = (share: number, count: number) => clamp(Math.floor(share * count), 0, count - 1);
    setCell({
      row: at((event.clientY - box.top) / box.height, rows),
      column: at((event.clientX - box.left) / box.width, columns),
    });
  };
  return (
    <ChartFigure
      title={title}
      x={x}
      columns={heat.labels.map((label, row) => ({ label, values: heat.rows[row] ?? [] }))}
      format={format}
      sentence={describeHeat(heat, place(columns - 1), format)}
      note={note}
    >
      <div class="heat">
        <ul>
          {heat.labels.map((label) => (
            <li key={label} title={label}>
              {label}
            </li>
          ))}
        </ul>
        {/* biome-ignore lint/a11y/useSemanticElements: no element is a chart */}
        <div
          class="heat-cells"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: keys move from cell to cell
          tabIndex={0}
          role="group"
          aria-label={`${title}. Arrow keys move from cell to cell, t shows the table.`}
          onKeyDown={press}
          onMouseMove={point}
          onMouseLeave={() => setCell(null)}
        >
          <canvas ref={cells} style={{ height: `${rows * clamp(HEIGHT / rows, 14, 44)}px` }} />
          {cell && <span class="heat-cell" style={cellPlace(cell, rows, columns)} />}
        </div>
        <span />
        <div class="heat-ends">
          <span>{columns > 0 && place(0)}</span>
          <span>{columns > 1 && place(columns - 1)}</span>
        </div>
        <span />
        <div class="heat-scale">
          {range && format(range[0])}
          <canvas ref={scale} />
          {range && format(range[1])}
        </div>
      </div>
      <p class="heat-value" role="status">
        {cell &&
          `${heat.labels[cell.row]}, ${place(cell.column)}: ${format(heat.rows[cell.row]?.[cell.column])}`}
      </p>
    </ChartFigure>
  );
}

/** Paints the cells and the scale, again when the values or the system's scheme change. */
function useColors(heat: Heat, range: readonly [number, number] | null) {
  const cells = useRef<HTMLCanvasElement>(null);
  const scale = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const paint = () => {
      paintCells(scale.current, [Array.from({ length: COLORS }, (_, index) => index / (COLORS - 1))]);
      if (range)
        paintCells(
          cells.current,
          heat.rows.map((row) => row.map((value) => heatShare(value, range, heat.isLog))),
        );
    };
    paint();
    return onSchemeChange(paint);
  }, [heat, range]);
  return { cells, scale };
}

/** Paints shares as opacities over the colour of the lowest value, which is that of the canvas. */
function paintCells(canvas: HTMLCanvasElement | null, rows: readonly (readonly (number | null)[])[]): void {
  const context = canvas?.getContext("2d");
  if (!canvas || !context) return;
  // A new size clears the canvas too.
  canvas.width = Math.max(rows[0]?.length ?? 1, 1);
  canvas.height = Math.max(rows.length, 1);
  context.fillStyle = resolveColor("var(--accent)");
  for (const [y, row] of rows.entries()) {
    for (const [x, share] of row.entries()) {
      context.globalAlpha = share ?? 0;
      context.fillRect(x, y, 1, 1);
    }
  }
}

/** How far the keys move the cell, down and to the right. */
const MOVES: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  Home: [0, -Infinity],
  End: [0, Infinity],
};

function moveCell({ row, column }: Cell, key: string, rows: number, columns: number): Cell | null {
  const move = MOVES[key];
  if (!move) return null;
  const [down, right] = move;
  return { row: clamp(row + down, 0, rows - 1), column: clamp(column + right, 0, columns - 1) };
}

function cellPlace({ row, column }: Cell, rows: number, columns: number) {
  const percent = (share: number) => `${100 * share}%`;
  return {
    left: percent(column / columns),
    top: percent(row / rows),
    width: percent(1 / columns),
    height: percent(1 / rows),
  };
}
