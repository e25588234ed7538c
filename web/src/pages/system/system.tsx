import { useEffect } from "preact/hooks";
import { follow } from "../../api/stream";
import type { System as Checked } from "../../api/types";
import { count, spellOut } from "../../format";
import { Waiting } from "../../parts/waiting";
import { Queue } from "./queue";
import { handle, isReportDue, load, loader, loadWorkers, system } from "./state";
import "./system.css";
import { sortRows } from "./words";
import { Workers } from "./workers";

/** The page of who runs the service: is all well, who trains what, who waits. */
export function System() {
  // When any run is queued, claimed or ended, a worker or the queue has changed. A worker reports a few seconds later
  // which run it trains; until then, each step of a run is a reason to look again, at the workers alone.
  useEffect(() => follow({ all: true, type: ["state"] }, { load, handle }), []);
  const withSteps = isReportDue.value;
  useEffect(() => {
    if (withSteps) return follow({ all: true, type: ["step"] }, { load: loadWorkers, handle });
  }, [withSteps]);
  useEffect(() => () => loader.end(), []);
  return (
    <>
      <div class="heading">
        <h1>System</h1>
        <button type="button" onClick={load}>
          Check again
        </button>
      </div>
      <Waiting answer={system.value} failure={loader.error.value} lines={9} label="Checking" />
      {system.value && <Findings system={system.value} />}
      <Workers />
      <Queue />
      {system.value && <Checks system={system.value} />}
    </>
  );
}

function Findings({ system: { data } }: { system: Checked }) {
  const findings = sortRows(data).filter((each) => each.status !== "ok");
  return (
    <>
      <p role="status">
        {findings.length === 0 ? "Everything is as it should be." : `${count(findings.length, "problem")}:`}
      </p>
      {findings.map((each) => (
        <div class={`notice ${each.status === "error" ? "bad" : "warning"}`} key={each.name}>
          <h2>
            {spellOut(each.name)}: {each.found}
          </h2>
          <p>{each.problem}</p>
          {each.fix && <p>{each.fix}</p>}
        </div>
      ))}
    </>
  );
}

function Checks({ system: { data, version } }: { system: Checked }) {
  return (
    <section class="below">
      <h2>What was checked</h2>
      <p class="quiet">
        By Bakehouse {version}. <code>bakehouse doctor</code> shows the same in a terminal.
      </p>
      <dl class="checks">
        {sortRows(data).map((each) => (
          <div key={each.name}>
            <dt>{spellOut(each.name)}</dt>
            <dd class={`check ${each.status}`}>{each.status}</dd>
            <dd>{each.found}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
