import { useMemo } from "preact/hooks";
import type { Run, WhatIf } from "../../api/types";
import type { Mark } from "../../charts/types";
import { capitalize, formatSeconds, isRising, spellOut } from "../../format";
import { Empty } from "../../parts/empty";
import { Failure } from "../../parts/failure";
import type { LiveRun } from "../../runs/live_run";
import { axisOf, epochPositions } from "../../runs/positions";
import { monitorOf } from "../../runs/status";
import { VALIDATION } from "./curves";
import { RunChart } from "./run_chart";
import { useWhatIf, WhatIfControls } from "./what_if";

/** What other early stopping would have done to the run: arithmetic on its curve, nothing is trained. */
export function WhatIfTab({ live, run }: { live: LiveRun; run: Run }) {
  const monitor = monitorOf(run);
  const { epoch } = run.progress;
  const asked = useWhatIf<WhatIf>(`v1/runs/${run.id}/what-if`, run.progress.patience ?? 10, String(epoch));
  const [found] = asked.answer?.answers ?? [];
  const version = live.version.value;
  const chart = useMemo(() => {
    const x = axisOf("epoch", epochPositions("epoch", live.epochs));
    const line = { label: spellOut(monitor), values: live.epochs[monitor] ?? [], ...VALIDATION };
    return { x, lines: [line] };
  }, [version, monitor]);
  const marks = useMemo(() => marksOf(found, chart.x.values.at(-1)), [found, chart]);
  if (epoch === 0)
    return <Empty title="The answer appears here with the first epoch">No epoch is measured yet.</Empty>;
  return (
    <>
      <p class="quiet">
        Where another criterion would have ended the run, computed from the curve by the code that trains;
        nothing is trained.
      </p>
      <WhatIfControls {...asked} monitor={monitor} epochs={run.progress.epochs} />
      <div class="what-if-answer" role="status">
        {asked.failure ? (
          <Failure error={asked.failure} />
        ) : (
          <p>
            <strong>{found && `${capitalize(found.sentence)}.`}</strong>{" "}
            {(found?.seconds_saved ?? 0) > 0 && `It would have saved ${formatSeconds(found?.seconds_saved)}.`}
          </p>
        )}
      </div>
      <div class="charts">
        <RunChart
          chart={{
            title: capitalize(spellOut(monitor)),
            ...chart,
            marks,
            metric: monitor,
            goal: isRising(monitor) ? "high" : "low",
          }}
        />
      </div>
    </>
  );
}

/** Marks the epoch whose weights would have been kept, and the epochs that would not have been trained. */
function marksOf(found: WhatIf["answers"][number] | undefined, last: number | undefined): Mark[] {
  const marks: Mark[] = [];
  if (found?.best)
    marks.push({ label: `best: epoch ${found.best.epoch}`, color: "var(--good)", from: found.best.epoch });
  if (found?.decision === "stops" && found.stop_epoch && last)
    marks.push({
      label: `stop: epoch ${found.stop_epoch}`,
      color: "var(--warning)",
      from: found.stop_epoch,
      to: last,
    });
  return marks;
}
