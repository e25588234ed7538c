import { useMemo } from "preact/hooks";
import { changeView, query } from "../../address";
import type { Run } from "../../api/types";
import { Axes, isLog, xAxis, ZoomInAddress } from "../../parts/axes";
import { Empty } from "../../parts/empty";
import { Segments } from "../../parts/options";
import type { LiveRun } from "../../runs/live_run";
import { isOver } from "../../runs/status";
import { gapCurve, metricCurves, stepCurves } from "./curves";
import { RunChart } from "./run_chart";

export function CurvesTab({ live, run }: { live: LiveRun; run: Run }) {
  const kind = xAxis.value;
  const isSmooth = query.value.get("smooth") !== "off";
  const version = live.version.value;
  const isEmpty = !live.steps.step?.length && !live.epochs.epoch?.length;
  // The progress has no part in it: it changes with each step, the points only with the version.
  const curves = useMemo(() => {
    const gap = gapCurve(live.epochs, live.diagnostics, kind);
    return [
      ...metricCurves(run, live.epochs, kind),
      ...(gap ? [gap] : []),
      ...stepCurves(run, live.steps, live.epochs, kind, isSmooth),
    ];
  }, [version, kind, isSmooth, run.best, run.status]);
  if (isEmpty) return <NoCurves run={run} />;
  return (
    <>
      <div class="run-controls">
        <Axes y="Loss" />
        <Segments
          label="Steps"
          options={[
            ["", "smooth"],
            ["off", "raw"],
          ]}
          selected={isSmooth ? "" : "off"}
          onSelect={(smooth) => changeView({ smooth })}
        />
      </div>
      <div class="charts">
        {curves.map((curve) => (
          <RunChart
            key={curve.title}
            chart={{ ...curve, isLog: curve.isLog ?? (isLog.value && curve.metric === "loss") }}
          />
        ))}
      </div>
      <ZoomInAddress key={kind} charts={`run ${kind}`} />
    </>
  );
}

function NoCurves({ run }: { run: Run }) {
  if (isOver(run.status))
    return <Empty title="No step was trained">The run ended before its first step.</Empty>;
  return (
    <Empty title="The curves appear here with the first step" command={`bakehouse watch ${run.id}`}>
      {run.status === "queued" ? "The run waits for a worker." : "The run has not trained a step yet."}
    </Empty>
  );
}
