import { useState } from "preact/hooks";
import { formatWhole } from "../format";

const ROWS = 200;

export interface TableData {
  caption: string;
  head: readonly string[];
  /** Number of rows. */
  length: number;
  row: (index: number) => readonly string[];
}

/** The numbers of a chart. Long tables are shown in parts, so that a browser can draw them at once. */
export function ChartTable({ data }: { data: TableData }) {
  const [start, setStart] = useState(0);
  const first = Math.min(start, Math.max(data.length - 1, 0));
  const end = Math.min(first + ROWS, data.length);
  const rows = Array.from({ length: end - first }, (_, index) => data.row(first + index));
  return (
    <div class="chart-table">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reachable by keyboard */}
      <section class="scroll" tabIndex={0} aria-label={data.caption}>
        <table>
          <caption class="visually-hidden">{data.caption}</caption>
          <thead>
            <tr>
              {data.head.map((title) => (
                <th key={title} scope="col" class="number">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((cells, index) => (
              <tr key={first + index}>
                {cells.map((cell, column) => (
                  <td key={data.head[column]} class="number">
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {data.length > ROWS && (
        <p class="buttons">
          <button type="button" disabled={first === 0} onClick={() => setStart(Math.max(first - ROWS, 0))}>
            Earlier rows
          </button>
          <button type="button" disabled={end === data.length} onClick={() => setStart(first + ROWS)}>
            Later rows
          </button>
          <span class="quiet">
            Rows {formatWhole(first + 1)} to {formatWhole(end)} of {formatWhole(data.length)}
          </span>
        </p>
      )}
    </div>
  );
}
