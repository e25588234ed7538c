import { useMemo } from "preact/hooks";
import { changeView, query } from "../../address";
import type { Run } from "../../api/types";
import { Empty } from "../../parts/empty";
import { Segments } from "../../parts/options";
import type { LiveRun } from "../../runs/live_run";
import { X_AXES } from "../../runs/positions";
import { isOver } from "../../runs/status";
import { gapCurve, metricCurves, stepCurves } from "./curves";
import { RunChart } from "./run_chart";

export function CurvesTab({ live, run }: { live: LiveRun; run: Run }) {
  const kind = X_AXES.find((each) => each === query.value.get("x")) ?? "epoch";
  const isLog = query.value.get("y") === "log";
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
        <Segments
          label="x axis"
          options={X_AXES.map((each) => [each, each])}
          selected={kind}
          onSelect={(x) => changeView({ x: x === "epoch" ? null : x })}
        />
        <Segments
          label="Loss axis"
          options={[
            ["linear", "linear"],
            ["log", "log"],
          ]}
          selected={isLog ? "log" : "linear"}
          onSelect={(y) => changeView({ y: y === "log" ? y : null })}
        />
        <Segments
          label="Steps"
          options={[
            ["smooth", "smooth"],
            ["raw", "raw"],
          ]}
          selected={isSmooth ? "smooth" : "raw"}
          onSelect={(each) => changeView({ smooth: each === "raw" ? "off" : null })}
        />
      </div>
      <div class="charts">
        {curves.map((curve) => (
          <RunChart
            key={curve.title}
            chart={{ ...curve, isLog: curve.isLog ?? (isLog && curve.metric === "loss") }}
          />
        ))}
      </div>
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
