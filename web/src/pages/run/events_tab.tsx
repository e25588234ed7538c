import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { listed, toggleListed } from "../../address";
import { EVENT_TYPES, type RunEvent } from "../../api/events";
import type { Run } from "../../api/types";
import { count, formatWhole } from "../../format";
import { Waiting } from "../../parts/waiting";
import { EventLog } from "../../runs/event_log";
import type { LiveRun } from "../../runs/live_run";
import { describeEvent } from "./event_text";

/** More rows than this take long to draw. */
const ROWS = 300;

export function EventsTab({ live, run }: { live: LiveRun; run: Run }) {
  const log = useMemo(() => new EventLog(run.id), [run.id]);
  const [extra, setExtra] = useState(0);
  useEffect(() => {
    void log.load();
    return live.listen((event) => log.add(event));
  }, [log, live]);
  const hidden = listed("without");
  const events = log.events.value;
  const shown = events.filter((event) => !hidden.includes(event.type));
  const rows = shown.slice(-ROWS - extra);
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
            {type}{" "}
            <span class="quiet">{formatWhole(events.filter((event) => event.type === type).length)}</span>
          </label>
        ))}
      </fieldset>
      <Waiting
        answer={log.isComplete.value}
        failure={log.error.value}
        load={() => void log.load()}
        lines={2}
        label="Loading the log"
      />
      {shown.length > rows.length && (
        <p>
          <button type="button" onClick={() => setExtra(extra + ROWS)}>
            Show {formatWhole(Math.min(ROWS, shown.length - rows.length))} earlier
          </button>{" "}
          <span class="quiet">
            {formatWhole(rows.length)} of {count(shown.length, "event")}
          </span>
        </p>
      )}
      <EventList events={rows} />
      <p class="quiet">
        The same from a terminal: <code>bakehouse watch {run.id}</code>
      </p>
    </>
  );
}

/** The events, the newest last. It follows new ones unless the user has scrolled up. */
function EventList({ events }: { events: readonly RunEvent[] }) {
  const box = useRef<HTMLElement>(null);
  const follows = useRef(true);
  const last = events.at(-1)?.seq;
  useLayoutEffect(() => {
    if (follows.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [last]);
  return (
    <section
      class="run-events"
      ref={box}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label="Events, the newest last"
      data-last={last}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        follows.current = scrollHeight - scrollTop - clientHeight < 30;
      }}
    >
      <table>
        <thead class="visually-hidden">
          <tr>
            <th scope="col">Number</th>
            <th scope="col">Time</th>
            <th scope="col">Type</th>
            <th scope="col">What happened</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <tr key={event.seq}>
              <td class="number quiet">{event.seq}</td>
              <td class="time">
                <time dateTime={event.time}>{event.time.slice(11, 23)}</time>
              </td>
              <td>{event.type}</td>
              <td>{describeEvent(event)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
