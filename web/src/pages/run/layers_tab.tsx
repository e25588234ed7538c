import { useMemo } from "preact/hooks";
import { addressOf } from "../../address";
import { useAnswer } from "../../api/answer";
import type { Ingredients, Run } from "../../api/types";
import { ZoomInAddress } from "../../parts/axes";
import { Empty } from "../../parts/empty";
import { Skeleton } from "../../parts/skeleton";
import type { LiveRun } from "../../runs/live_run";
import { isOver } from "../../runs/status";
import { layerCharts } from "./diagnostic_charts";
import { RunChart } from "./run_chart";

export function LayersTab({ live, run }: { live: LiveRun; run: Run }) {
  const version = live.version.value;
  const { answer, failure } = useAnswer<Ingredients>("v1/recipes/ingredients");
  const charts = useMemo(() => {
    const known = answer?.families.find(({ name }) => name === "diagnostics")?.variants;
    return layerCharts(live.diagnostics, known ?? []);
  }, [version, answer]);
  const isMeasured = (run.recipe.diagnostics ?? []).length > 0;
  if (charts.length === 0) {
    if (!isMeasured) return <NotMeasured run={run} />;
    if (isOver(run.status))
      return <Empty title="No epoch was measured">The run ended before its first epoch did.</Empty>;
    return <Skeleton lines={6} label="Waiting for the first epoch" />;
  }
  // Without the answer the charts would have other titles for a moment.
  if (!answer && !failure) return <Skeleton lines={6} />;
  return (
    <div class="charts">
      {charts.map((chart) => (
        <RunChart key={chart.title} chart={chart} />
      ))}
      <ZoomInAddress charts="run epoch" />
    </div>
  );
}

function NotMeasured({ run }: { run: Run }) {
  return (
    <Empty
      title="This run measures no layers"
      action={
        <a class="button primary" href={addressOf({ page: "new", from: run.id })}>
          Clone and add diagnostics
        </a>
      }
      command={`bakehouse run recipe.json --set 'diagnostics=["variance_shift","gradient_norms"]'`}
    >
      With <code>diagnostics</code> in its recipe, a run shows charts by layer. They change nothing in the
      training.
    </Empty>
  );
}
