import { addressOf } from "../../address";
import type { Worker } from "../../api/types";
import { count, formatAgo, formatBytes } from "../../format";
import { Copy } from "../../parts/copy";
import { workers } from "./state";
import { describeVersions } from "./words";

export function Workers() {
  const listed = workers.value;
  if (!listed) return null;
  return (
    <section class="below">
      <h2>{listed.length === 0 ? "No worker" : count(listed.length, "worker")}</h2>
      {listed.length === 0 ? <NoWorkers /> : <Table workers={listed} />}
    </section>
  );
}

function NoWorkers() {
  return (
    <>
      <p>Runs are accepted, and wait until a worker is there. Start one on this machine:</p>
      <Copy text="bakehouse worker" />
    </>
  );
}

function Table({ workers }: { workers: readonly Worker[] }) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Worker</th>
            <th scope="col">Device</th>
            <th scope="col">Trains</th>
            <th scope="col">Started</th>
            <th scope="col">Versions</th>
          </tr>
        </thead>
        <tbody>
          {workers.map((each) => (
            <tr key={each.name}>
              <th scope="row" title={each.name}>
                {each.host} · process {each.pid}
              </th>
              <td>
                {each.device}, {formatBytes(each.memory_bytes)}
              </td>
              <td>
                {each.run_id ? (
                  <a href={addressOf({ page: "run", id: each.run_id })}>{each.run_id}</a>
                ) : (
                  each.status
                )}
              </td>
              <td>
                <time dateTime={each.started_at}>{formatAgo(each.started_at)}</time>
              </td>
              <td class="quiet">{describeVersions(each)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
