import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { formatNumber, formatWhole } from "../format";
import { Table } from "../parts/table";
import "./charts.css";
import type { Axis, Values } from "./types";

const ROWS = 200;

/** Returns a value as text; of none, a dash. */
export type Format = (value: number | null | undefined) => string;

interface Numbers {
  title: string;
  x: Axis;
  /** What the chart shows, with a value for each position. What is in the background is not in the table. */
  columns: readonly { label: string; values: Values; isBackground?: boolean }[];
  format: Format;
}

/** What all charts have: a title, a sentence, a note, and the numbers as a table. */
export function ChartFigure(
  props: Numbers & {
    children: ComponentChildren;
    sentence: string;
    note?: string | undefined;
  },
) {
  const { title, x, columns, sentence, note } = props;
  const [isTable, setTable] = useState(false);
  const points = columns.flatMap(({ values }) => values.filter((value) => typeof value === "number"));
  return (
    <figure
      class="chart"
      data-points={points.length}
      data-rows={x.values.length}
      aria-label={title}
      onKeyDown={({ key }) => key === "t" && setTable(!isTable)}
    >
      <div class="chart-head">
        <h3>{title}</h3>
        <button type="button" class="plain" aria-expanded={isTable} onClick={() => setTable(!isTable)}>
          Table
        </button>
      </div>
      {props.children}
      <figcaption>
        {sentence}
        {note && <span class="quiet"> {note}</span>}
      </figcaption>
      {isTable && <ChartTable {...props} />}
    </figure>
  );
}

/** Long tables are shown in parts, so that a browser can draw them at once. */
function ChartTable({ title, x, columns, format }: Numbers) {
  const [start, setStart] = useState(0);
  const { length } = x.values;
  const first = Math.min(start, Math.max(length - 1, 0));
  const end = Math.min(first + ROWS, length);
  return (
    <div class="chart-table">
      <Table
        label={`${title}: the numbers`}
        rows={x.values.slice(first, end)}
        columns={[
          { title: x.label, isNumber: true, cell: x.format ?? formatNumber },
          ...columns
            .filter((column) => !column.isBackground)
            .map(({ label, values }) => ({
              title: label,
              isNumber: true,
              cell: (_: number, index: number) => format(values[first + index]),
            })),
        ]}
      />
      {length > ROWS && (
        <p class="buttons">
          <button type="button" disabled={first === 0} onClick={() => setStart(Math.max(first - ROWS, 0))}>
            Earlier rows
          </button>
          <button type="button" disabled={end === length} onClick={() => setStart(first + ROWS)}>
            Later rows
          </button>
          <span class="quiet">
            Rows {formatWhole(first + 1)} to {formatWhole(end)} of {formatWhole(length)}
          </span>
        </p>
      )}
    </div>
  );
}
