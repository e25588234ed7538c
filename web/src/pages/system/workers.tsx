import { addressOf } from "../../address";
import type { Worker } from "../../api/types";
import { count, formatAgo, formatBytes } from "../../format";
import { Copy } from "../../parts/copy";
import { workers, workOf } from "./state";
import { describeVersions } from "./words";

export function Workers() {
  const listed = workers.value;
  if (!listed) return null;
  return (
    <section class="below">
      <h2>{listed.length === 0 ? "No worker" : count(listed.length, "worker")}</h2>
      {listed.length === 0 ? <NoWorkers /> : <Cards workers={listed} />}
    </section>
  );
}

function NoWorkers() {
  return (
    <>
      <p>Runs wait until a worker is there. Start one on this machine:</p>
      <Copy text="bakehouse worker" />
    </>
  );
}

function Cards({ workers }: { workers: readonly Worker[] }) {
  return (
    <div class="cards">
      {workers.map((each) => (
        <article class="card worker" key={each.name}>
          <h3 title={each.name}>
            {each.host} <span class="quiet">process {each.pid}</span>
          </h3>
          <p>
            {each.device} <span class="quiet">{formatBytes(each.memory_bytes)}</span>
          </p>
          <p>
            <Work worker={each} />
          </p>
          <p class="quiet">
            started <time dateTime={each.started_at}>{formatAgo(each.started_at)}</time>,{" "}
            {describeVersions(each)}
          </p>
        </article>
      ))}
    </div>
  );
}

function Work({ worker }: { worker: Worker }) {
  const work = workOf(worker);
  if ("word" in work) return work.word;
  return (
    <>
      trains <a href={addressOf({ page: "run", id: work.run })}>{work.run}</a>
    </>
  );
}
