import { useEffect, useMemo } from "preact/hooks";
import { addressOf, changeView, listed, query, toggleListed } from "../../address";
import type { Run } from "../../api/types";
import { LineChart } from "../../charts/line_chart";
import { capitalize, count, formatMetric, isRising, spellOut } from "../../format";
import { Axes, isLog, xAxis, ZoomInAddress } from "../../parts/axes";
import { Empty } from "../../parts/empty";
import { Waiting } from "../../parts/waiting";
import { distinctStyles } from "../../runs/colors";
import { Comparison, curveMetrics, MAX_RUNS } from "../compare/comparison";
import { Choice, hasFailed } from "../compare/curves";
import { groupLines } from "../compare/lines";
import type { TabProps } from "./experiment";

/** The curves of each arm: their mean over the seeds, and the lowest to the highest as a band. */
export function CurvesTab({ experiment, results }: TabProps) {
  const begun = experiment.runs.filter((run) => run.status !== "queued");
  const ids = begun.slice(0, MAX_RUNS).map((run) => run.run);
  const metric = query.value.get("metric") ?? results.metric;
  const key = ids.join(",");
  const comparison = useMemo(() => new Comparison(ids, metric), [key, metric]);
  useEffect(() => {
    if (ids.length > 0) comparison.start();
    return () => comparison.end();
  }, [comparison]);
  if (ids.length === 0)
    return <Empty title="The curves appear here with the first epoch">No run has begun.</Empty>;
  const runs = comparison.runs.value;
  return (
    <div class="experiment-parts">
      <Waiting
        answer={runs}
        failure={comparison.error.value}
        load={() => comparison.start()}
        lines={12}
        label="Loading the curves"
      />
      {runs && <Bands comparison={comparison} runs={runs} metric={metric} experiment={experiment} />}
      {begun.length > MAX_RUNS && (
        <p class="quiet">
          The first {MAX_RUNS} of {count(begun.length, "run")}.
        </p>
      )}
      <p>
        <a class="button" href={addressOf({ page: "compare", runs: ids, group: "recipe" })}>
          Open in Compare
        </a>
      </p>
    </div>
  );
}

function Bands(props: {
  comparison: Comparison;
  runs: readonly Run[];
  metric: string;
  experiment: TabProps["experiment"];
}) {
  const { comparison, runs, metric, experiment } = props;
  const version = comparison.version.value;
  const kind = xAxis.value;
  const styles = useMemo(() => distinctStyles(experiment.arms.map((arm) => arm.name)), [experiment.arms]);
  const chart = useMemo(() => {
    const found = new Map(runs.map((run) => [run.id, run]));
    const curves = experiment.arms.flatMap(({ name }) => {
      const own = experiment.runs.flatMap((each) => {
        const run = each.arm === name ? found.get(each.run) : undefined;
        return run && !hasFailed(run) ? [run] : [];
      });
      const group = { key: name, value: name, runs: own };
      return own.length > 0
        ? [{ group, label: name, epochs: own.map((run) => comparison.curve(run.id)) }]
        : [];
    });
    return groupLines(curves, metric, kind, "range", styles);
  }, [version, runs, experiment.runs, metric, kind]);
  const hidden = useMemo(() => new Set(listed("hide")), [query.value.get("hide")]);
  return (
    <section aria-busy={!comparison.isComplete.value}>
      <div class="experiment-options">
        <Choice
          title="Metric"
          selected={metric}
          options={[...new Set([metric, ...curveMetrics(runs)])].map((name) => [name, spellOut(name)])}
          onSelect={(name) => changeView({ metric: name })}
        />
        <Axes y={capitalize(spellOut(metric))} />
      </div>
      {comparison.isComplete.value && chart.lines.length === 0 ? (
        <Empty title="There is no curve">
          No run that has not failed has measured the {spellOut(metric)} at the end of an epoch.
        </Empty>
      ) : (
        <LineChart
          title={capitalize(spellOut(metric))}
          x={chart.x}
          lines={chart.lines}
          isLog={isLog.value}
          syncKey="experiment"
          height={380}
          goal={isRising(metric) ? "high" : "low"}
          format={(value) => formatMetric(metric, value)}
          hidden={hidden}
          onToggle={(id) => toggleListed("hide", id)}
        />
      )}
      <ZoomInAddress charts={`experiment ${kind}`} />
      <p class="quiet">
        Mean of each arm over its runs, and a band from the lowest to the highest, over the epochs that all of
        them have reached.
      </p>
    </section>
  );
}
