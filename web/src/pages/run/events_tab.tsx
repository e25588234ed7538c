import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { listed, toggleListed } from "../../address";
import { EVENT_TYPES, type LogEvent } from "../../api/events";
import type { Run } from "../../api/types";
import { Terminal } from "../../parts/empty";
import { Table } from "../../parts/table";
import { Waiting } from "../../parts/waiting";
import { EventLog } from "../../runs/event_log";
import type { LiveRun } from "../../runs/live_run";
import { describeEvent } from "./event_text";

/** Nearer to an edge of the drawn rows than this, further rows are drawn. */
const NEAR_PIXELS = 400;
/** Nearer to the end than this, the user looks at the newest event. */
const END_PIXELS = 30;

export function EventsTab({ live, run }: { live: LiveRun; run: Run }) {
  const hidden = listed("without");
  const log = useMemo(
    () =>
      new EventLog(
        run.id,
        EVENT_TYPES.filter((type) => !hidden.includes(type)),
      ),
    [run.id, hidden.join()],
  );
  useEffect(() => {
    void log.load();
    const end = live.listen((event) => log.add(event));
    return () => {
      end();
      log.stop();
    };
  }, [log, live]);
  return (
    <>
      <fieldset class="run-types">
        <legend>Types of events</legend>
        {EVENT_TYPES.map((type) => (
          <label key={type}>
            <input
              type="checkbox"
              checked={!hidden.includes(type)}
              onChange={() => toggleListed("without", type)}
            />{" "}
            {type}
          </label>
        ))}
      </fieldset>
      <Waiting
        answer={log.rows.value}
        failure={log.error.value}
        load={() => void log.load()}
        lines={2}
        label="Loading the log"
      />
      {log.rows.value && <EventList log={log} events={log.rows.value} />}
      <Terminal command={`bakehouse watch ${run.id}`} />
    </>
  );
}

/** The events, the newest last. It follows new ones unless the user has scrolled up. */
function EventList({ log, events }: { log: EventLog; events: readonly LogEvent[] }) {
  const box = useRef<HTMLElement>(null);
  const middle = useRef<[row: HTMLElement | undefined, top: number]>([undefined, 0]);
  // What is read stays where it is when rows before it come and go.
  useLayoutEffect(() => {
    const list = box.current as HTMLElement;
    const [row, top] = middle.current;
    if (log.end.value === null) list.scrollTop = list.scrollHeight;
    else if (row?.isConnected) list.scrollTop += row.offsetTop - top;
    const next = list.querySelectorAll<HTMLElement>("tbody tr")[events.length >> 1];
    middle.current = [next, next?.offsetTop ?? 0];
  }, [events]);
  const handleScroll = ({ scrollTop, scrollHeight, clientHeight }: HTMLElement) => {
    const below = scrollHeight - scrollTop - clientHeight;
    if (below > END_PIXELS) log.hold();
    if (scrollTop < NEAR_PIXELS) void log.showOlder();
    if (below < NEAR_PIXELS) log.showNewer(below <= END_PIXELS);
  };
  return (
    <>
      <p>
        <button type="button" disabled={!log.hasOlder.value} onClick={() => box.current?.scrollTo(0, 0)}>
          Older
        </button>{" "}
        <button type="button" disabled={log.end.value === null} onClick={() => log.follow()}>
          Newest
        </button>
      </p>
      <Table
        label="Events, the newest last"
        rows={events}
        keyOf={({ seq }) => seq}
        box={{
          ref: box,
          class: "run-events",
          "data-last": events.at(-1)?.seq,
          onScroll: ({ currentTarget }) => handleScroll(currentTarget),
        }}
        columns={[
          { title: "Number", isNumber: true, cell: ({ seq }) => seq },
          {
            title: "Time",
            cell: ({ time }) => <time dateTime={time}>{time.slice(11, 23)}</time>,
          },
          { title: "Type", cell: ({ type }) => type },
          { title: "What happened", cell: describeEvent },
        ]}
      />
    </>
  );
}
