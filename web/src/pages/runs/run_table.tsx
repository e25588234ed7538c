import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { changeView } from "../../address";
import type { BriefRun } from "../../api/types";
import { clamp } from "../../charts/scale";
import { spellOut } from "../../format";
import { isEqual } from "../../json";
import { areRising, type ColumnName, nextSort, type Sort, sharedMonitor } from "./arrangement";
import { Row } from "./row";
import type { RunList } from "./run_list";

/** Rows beyond the edges of the screen, so that a quick scroll shows no gap. */
const SPARE_ROWS = 12;
interface Column {
  name: string;
  title: string;
  /** What a pointer that rests on the title is told. */
  about?: string;
  sort?: { column: ColumnName; isDescending: boolean };
}

function columnsOf(rows: readonly BriefRun[]): Column[] {
  const monitor = sharedMonitor(rows);
  const sort = (column: ColumnName, isDescending = false) => ({ sort: { column, isDescending } });
  return [
    { name: "name", title: "Run", ...sort("name") },
    { name: "status", title: "Status", ...sort("status") },
    { name: "curve", title: "Curve", about: "The monitored metric by epoch" },
    {
      name: "best",
      title: monitor ? spellOut(monitor).replace("validation", "val.") : "best",
      about: "The monitored metric at the best epoch",
      ...sort("best", areRising(rows)),
    },
    { name: "best_epoch", title: "Best epoch", ...sort("best_epoch") },
    { name: "epoch", title: "Stop epoch", about: "Epochs so far, of at most", ...sort("epoch") },
    {
      name: "gap",
      title: "Gap",
      about: "How much better training is than validation at the best epoch",
      ...sort("gap", true),
    },
    { name: "time", title: "Time", ...sort("time", true) },
    { name: "verdict", title: "Verdict", ...sort("verdict") },
    { name: "ingredients", title: "Differs in", about: "Ingredients that not all listed runs have" },
  ];
}

interface Props {
  list: RunList;
  ids: readonly string[];
  rows: readonly BriefRun[];
  shared: ReadonlySet<string>;
  sort: Sort | null;
  ticked: ReadonlySet<string>;
  setTicked: (ids: string[]) => void;
  tableRef: { current: HTMLTableElement | null };
}

/** A table of which only the rows on the screen are in the document, so that a thousand runs cost no more than forty. */
export function RunTable({ list, ids, rows, shared, sort, ticked, setTicked, tableRef }: Props) {
  const { first, last, height } = useVisibleRows(tableRef, ids.length);
  const shown = ids.slice(first, last);
  list.visible = shown;
  const namesMetric = sharedMonitor(rows) !== null;
  return (
    <table ref={tableRef} class="runs" aria-rowcount={ids.length + 1} aria-label="Runs">
      <thead>
        <tr aria-rowindex={1}>
          <th class="col-tick">
            <TickAll ids={ids} ticked={ticked} setTicked={setTicked} />
          </th>
          {columnsOf(rows).map((column) => (
            <Header key={column.name} column={column} sort={sort} />
          ))}
          <th class="col-menu">
            <span class="visually-hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        <Spacer height={first * height} />
        {shown.map((id, index) => (
          <Row
            key={id}
            row={list.row(id)}
            index={first + index + 2}
            shared={shared}
            namesMetric={namesMetric}
            isTicked={ticked.has(id)}
          />
        ))}
        <Spacer height={(ids.length - last) * height} />
      </tbody>
    </table>
  );
}

function Header({ column, sort }: { column: Column; sort: Sort | null }) {
  const isSorted = sort !== null && sort.column === column.sort?.column;
  const direction = sort?.isDescending ? "descending" : "ascending";
  return (
    <th class={`col-${column.name}`} title={column.about} aria-sort={isSorted ? direction : undefined}>
      {column.sort ? (
        <button
          type="button"
          class="sort"
          onClick={() =>
            column.sort && changeView({ sort: nextSort(sort, column.sort.column, column.sort.isDescending) })
          }
        >
          {column.title}
        </button>
      ) : (
        column.title
      )}
    </th>
  );
}

/** As many runs as Compare shows at once. */
const MAX_TICKED = 50;

function TickAll(props: {
  ids: readonly string[];
  ticked: ReadonlySet<string>;
  setTicked: (ids: string[]) => void;
}) {
  const { ids, ticked, setTicked } = props;
  const candidates = ids.slice(0, MAX_TICKED);
  const areAll = candidates.length > 0 && candidates.every((id) => ticked.has(id));
  const label = ids.length > MAX_TICKED ? `Tick the first ${MAX_TICKED} runs` : "Tick all runs";
  return (
    <input
      type="checkbox"
      aria-label={label}
      title={label}
      checked={areAll}
      indeterminate={!areAll && ticked.size > 0}
      onChange={() => setTicked(areAll ? [] : candidates)}
    />
  );
}

function Spacer({ height }: { height: number }) {
  // biome-ignore lint/a11y/noAriaHiddenOnFocusable: an empty row cannot have the focus.
  return height > 0 ? <tr aria-hidden="true" class="spacer" style={{ height: `${height}px` }} /> : null;
}

/** Returns the range of the rows that are on the screen, or nearly. */
function useVisibleRows(table: { current: HTMLTableElement | null }, count: number) {
  const [range, setRange] = useState({
    first: 0,
    last: Math.min(count, 2 * SPARE_ROWS),
    height: rowHeight(),
  });
  const frame = useRef(0);
  // Before the browser paints, so that a new run is never shown as an empty row.
  useLayoutEffect(() => {
    const measure = () => {
      frame.current = 0;
      const body = table.current?.tBodies[0];
      if (!body) return;
      const height = rowHeight();
      const top = -body.getBoundingClientRect().top;
      const first = clamp(Math.floor(top / height) - SPARE_ROWS, 0, count);
      const last = clamp(Math.ceil((top + window.innerHeight) / height) + SPARE_ROWS, first, count);
      const range = { first, last, height };
      setRange((present) => (isEqual(range, present) ? present : range));
    };
    const measureSoon = () => {
      frame.current ||= requestAnimationFrame(measure);
    };
    measure();
    window.addEventListener("scroll", measureSoon, { passive: true });
    window.addEventListener("resize", measureSoon);
    return () => {
      cancelAnimationFrame(frame.current);
      frame.current = 0;
      window.removeEventListener("scroll", measureSoon);
      window.removeEventListener("resize", measureSoon);
    };
  }, [count]);
  return { ...range, last: Math.min(range.last, count) };
}

/** Which runs.css says, since a narrow screen has other rows. */
function rowHeight(): number {
  return Number.parseInt(getComputedStyle(document.documentElement).getPropertyValue("--row"), 10);
}
