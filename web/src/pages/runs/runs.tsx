import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, type RequestFailed } from "../../api/http";
import type { BriefPage, BriefRun } from "../../api/types";
import { formatMetric } from "../../format";
import { Failure } from "../../parts/failure";
import { StatusMark } from "../../parts/status_mark";

const rows = signal<readonly BriefRun[] | null>(null);
const failure = signal<RequestFailed | null>(null);

async function load(): Promise<void> {
  try {
    rows.value = (await get<BriefPage>("v1/runs", { view: "brief", limit: 100 })).data;
  } catch (error) {
    failure.value = error as RequestFailed;
  }
}

export function Runs() {
  useEffect(() => {
    void load();
  }, []);
  return (
    <>
      <h1>Runs</h1>
      {failure.value && <Failure error={failure.value} />}
      <table>
        <tbody>
          {rows.value?.map((row) => (
            <tr key={row.id}>
              <td>{row.name ?? row.id}</td>
              <td>
                <StatusMark status={row.status} />
              </td>
              <td>{row.best && formatMetric(row.best.monitor, row.best.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
