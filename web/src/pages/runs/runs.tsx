import { useEffect, useMemo, useRef } from "preact/hooks";
import { addressOf, changeView, listed, query } from "../../address";
import { follow } from "../../api/stream";
import { count, formatWhole } from "../../format";
import { Empty } from "../../parts/empty";
import { Failure } from "../../parts/failure";
import { NotifyButton } from "../../parts/notify";
import { Skeleton } from "../../parts/skeleton";
import { isOver } from "../../runs/status";
import { ActionError, DeletionDialog, outcome } from "./actions";
import { comparableBy, matches, parseSort, sharedIngredients, sortRows } from "./arrangement";
import { Filters } from "./filters";
import { FirstMinute } from "./first_minute";
import { RunList } from "./run_list";
import { RunTable } from "./run_table";
import "./runs.css";

/** Above this the user looks at the top of the list, where new runs appear. */
const TOP_PIXELS = 40;

export function Runs() {
  const table = useRef<HTMLTableElement>(null);
  const label = query.value.get("label") ?? "";
  const list = useMemo(() => new RunList(label, () => isAtRest(table.current)), [label]);
  const forget = (id: string) => {
    list.remove(id);
    changeView({ ticked: listed("ticked").filter((each) => each !== id) });
  };
  useEffect(() => {
    const unfollow = follow(
      { all: true, type: ["checkpoint", "deleted", "end", "epoch", "state"] },
      {
        load: () => void list.load(),
        handle: (event) => {
          list.handle(event);
          if (event.type === "deleted") forget(event.run_id);
        },
      },
    );
    return () => {
      unfollow();
      list.end();
    };
  }, [list]);
  return (
    <div class="runs-page">
      <h1>Runs</h1>
      {list.error.value && <Failure error={list.error.value} onRetry={() => void list.load()} />}
      <ActionError />
      <Content list={list} table={table} />
      <DeletionDialog onDeleted={forget} />
    </div>
  );
}

/** Whether a row may appear at the top: nobody has scrolled or sorted, and no pointer or focus is in the table. */
function isAtRest(table: HTMLTableElement | null): boolean {
  if (!table) return true;
  const isUsed = table.matches(":hover") || table.contains(document.activeElement);
  return window.scrollY < TOP_PIXELS && !query.peek().get("sort") && !isUsed;
}

function Content({ list, table }: { list: RunList; table: { current: HTMLTableElement | null } }) {
  const { q: text = "", status = "", dataset = "", sort: sorting = "" } = Object.fromEntries(query.value);
  const ids = list.ids.value;
  // The values of rows are read without following them: a run that changes keeps its place.
  const all = useMemo(() => ids.map((id) => list.row(id).peek()), [ids]);
  const sort = parseSort(sorting);
  const rows = useMemo(
    () =>
      sortRows(
        all.filter((row) => matches(row, { text, status, dataset })),
        sort,
      ),
    [all, text, status, dataset, sorting],
  );
  const shared = useMemo(() => sharedTokens(rows), [rows]);
  const isLoaded = list.hasMore.value !== null;
  if (!isLoaded) return list.error.value ? null : <Skeleton lines={12} label="Loading the runs" />;
  const isFiltered = Boolean(text || status || dataset || list.label);
  if (all.length === 0 && list.waiting.value.length === 0 && !isFiltered) return <FirstMinute />;
  const ticked = new Set(listed("ticked"));
  const setTicked = (chosen: string[]) => changeView({ ticked: chosen });
  return (
    <>
      <Filters rows={all} />
      <Count list={list} shown={rows.length} total={all.length} />
      {sort?.column === "best" && new Set(rows.map(comparableBy).filter(Boolean)).size > 1 && (
        <p class="notice warning" role="status">
          Sorted within each data set, metric and loss: values of different ones do not compare.
        </p>
      )}
      {rows.length === 0 ? (
        <FilteredToNothing />
      ) : (
        <RunTable
          list={list}
          ids={rows.map((row) => row.id)}
          rows={rows}
          shared={shared}
          sort={sort}
          ticked={ticked}
          setTicked={setTicked}
          tableRef={table}
        />
      )}
      {list.hasMore.value && (
        <p class="older">
          The newest {count(all.length, "run")} are loaded.{" "}
          <button type="button" onClick={() => void list.loadOlder()}>
            Load older runs
          </button>
        </p>
      )}
      {ticked.size > 0 && (
        <TickedBar
          ticked={[...ticked]}
          live={all.flatMap(({ id }) => (ticked.has(id) && !isOver(list.row(id).peek().status) ? id : []))}
          onClear={() => setTicked([])}
        />
      )}
    </>
  );
}

/** Returns what all listed runs have in common. */
function sharedTokens(rows: Parameters<typeof sharedIngredients>[0]): ReadonlySet<string> {
  const same = (name: "dataset" | "architecture") =>
    new Set(rows.map((row) => row[name])).size === 1 ? rows.slice(0, 1).map((row) => row[name]) : [];
  return new Set([...sharedIngredients(rows), ...same("dataset"), ...same("architecture")]);
}

/** One line of constant height, so that nothing below it moves when it changes. */
function Count({ list, shown, total }: { list: RunList; shown: number; total: number }) {
  const waiting = list.waiting.value.length;
  return (
    <p class="count" role="status">
      {shown === total ? count(total, "run") : `${formatWhole(shown)} of ${count(total, "run")}`}
      {outcome.value && <span class="quiet"> · {outcome.value}</span>}
      {waiting > 0 && (
        <button
          type="button"
          class="new-runs"
          onClick={() => {
            list.insertWaiting();
            window.scrollTo(0, 0);
          }}
        >
          {count(waiting, "new run")}: show
        </button>
      )}
    </p>
  );
}

const NO_FILTER = { q: null, status: null, dataset: null, label: null };

function FilteredToNothing() {
  return (
    <Empty
      title="No run matches the filter"
      action={
        <button type="button" class="primary" onClick={() => changeView(NO_FILTER)}>
          Clear the filter
        </button>
      }
    >
      A label is written <code>key:value</code>.
    </Empty>
  );
}

function TickedBar({ ticked, live, onClear }: { ticked: string[]; live: string[]; onClear: () => void }) {
  return (
    <div class="ticked-bar">
      <span role="status">{count(ticked.length, "run")} ticked</span>
      <a class="button primary" href={addressOf({ page: "compare", runs: ticked })}>
        Compare
      </a>
      {live.length > 0 && <NotifyButton ids={live} />}
      <button type="button" class="plain" onClick={onClear}>
        Clear
      </button>
    </div>
  );
}
