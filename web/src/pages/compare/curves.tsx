import { useMemo, useRef } from "preact/hooks";
import { changeView, toggleListed } from "../../address";
import type { Run } from "../../api/types";
import { LineChart } from "../../charts/line_chart";
import { capitalize, formatMetric, isRising, spellOut } from "../../format";
import { Axes, ZoomInAddress } from "../../parts/axes";
import { type Options, Segments, Select } from "../../parts/options";
import { type Comparison, commonMonitor, curveMetrics } from "./comparison";
import { saveCsv } from "./csv";
import { type Chart, groupLines, leftOutSentence, runLines, type Styles } from "./lines";
import { savePicture } from "./picture";
import { BY_RECIPE, type Group, mixedFields } from "./ranking";
import type { View } from "./view";

const SYNC_KEY = "compare";

interface Props {
  comparison: Comparison;
  runs: readonly Run[];
  view: View;
  labels: ReadonlyMap<string, string>;
  styles: Styles;
  /** Null if the runs are not grouped. */
  groups: readonly Group[] | null;
  groupLabel: (group: Group) => string;
  fields: readonly string[];
}

export function Curves({ comparison, runs, view, labels, styles, groups, groupLabel, fields }: Props) {
  const metric = comparison.metric || commonMonitor(runs);
  const version = comparison.version.value;
  const chart = useMemo((): Chart => {
    if (groups) {
      const curves = groups.map((group) => ({
        group,
        label: groupLabel(group),
        epochs: group.runs.map((run) => comparison.curve(run.id)),
      }));
      return groupLines(curves, metric, view.x, view.band, styles);
    }
    const curves = runs.map(({ id }) => ({ id, label: labels.get(id) ?? id, epochs: comparison.curve(id) }));
    return runLines(curves, metric, view.x, styles);
  }, [version, runs, groups, metric, view.x, view.band, labels]);
  const figure = useRef<HTMLDivElement>(null);
  const title = capitalize(spellOut(metric));
  const saveNumbers = () =>
    saveCsv(`${metric}.csv`, [
      [view.x, ...chart.lines.map((line) => line.label)],
      ...chart.x.values.map((x, index) => [x, ...chart.lines.map((line) => line.values[index])]),
    ]);
  return (
    <section aria-busy={!comparison.isComplete.value}>
      <h2 class="visually-hidden">Curves</h2>
      <Controls metrics={curveMetrics(runs)} metric={metric} view={view} fields={fields} />
      <div ref={figure}>
        <LineChart
          title={title}
          x={chart.x}
          lines={chart.lines}
          isLog={view.isLog}
          syncKey={SYNC_KEY}
          height={380}
          goal={isRising(metric) ? "high" : "low"}
          format={(value) => formatMetric(metric, value)}
          hidden={view.hidden}
          onToggle={(id) => toggleListed("hide", id)}
        />
        <ZoomInAddress charts={`${SYNC_KEY} ${view.x}`} />
      </div>
      {groups && <GroupNotes runs={runs} groups={groups} view={view} groupLabel={groupLabel} />}
      <p class="buttons">
        <button type="button" onClick={saveNumbers}>
          Save the curves as CSV
        </button>
        <button
          type="button"
          onClick={() =>
            figure.current && savePicture(figure.current, `${metric}.png`, title, chart, view.hidden)
          }
        >
          Save the chart as PNG
        </button>
      </p>
    </section>
  );
}

function Controls(props: { metrics: string[]; metric: string; view: View; fields: readonly string[] }) {
  const { view } = props;
  return (
    <div class="options">
      <Choice
        title="Metric"
        selected={props.metric}
        options={props.metrics.map((name) => [name, spellOut(name)])}
        onSelect={(metric) => changeView({ metric })}
      />
      <Axes y={capitalize(spellOut(props.metric))} />
      <Choice
        title="Group"
        selected={view.group}
        options={[
          ["", "each run alone"],
          [BY_RECIPE, "runs that differ only in the seed"],
          ...props.fields.map((name) => [name, `by ${name}`] as const),
        ]}
        onSelect={(group) => changeView({ group, hide: null })}
      />
      {view.group && (
        <Segments
          label="Band"
          selected={view.band}
          options={[
            ["range", "lowest to highest"],
            ["deviation", "± 1 sample standard deviation"],
          ]}
          onSelect={(band) => changeView({ band: band === "range" ? null : band })}
        />
      )}
    </div>
  );
}

export function Choice({ title, ...options }: Options & { title: string }) {
  return (
    <label class="option">
      {title}
      <Select {...options} />
    </label>
  );
}

function GroupNotes(props: {
  runs: readonly Run[];
  groups: readonly Group[];
  view: View;
  groupLabel: (group: Group) => string;
}) {
  const { runs, groups, view } = props;
  const counted = groups.reduce((sum, group) => sum + group.runs.length, 0);
  const ended = runs.filter(hasFailed).length;
  const mixed = groups.flatMap((group) => {
    const others = mixedFields(group, view.group);
    return others.length > 0 ? [{ group, others }] : [];
  });
  return (
    <>
      <p class="quiet notes">
        Mean and band over the epochs that all runs of a group have reached.{" "}
        {leftOutSentence(runs, counted, ended)}
      </p>
      {mixed.length > 0 && (
        <div class="notice warning">
          {mixed.map(({ group, others }) => (
            <p key={group.key}>
              The group {props.groupLabel(group)} mixes runs that differ in {others.join(", ")}.
            </p>
          ))}
        </div>
      )}
    </>
  );
}

export function hasFailed(run: Run): boolean {
  return run.status === "failed" || run.status === "cancelled";
}
