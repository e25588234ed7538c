import { effect } from "@preact/signals";
import { useEffect, useId, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { changeView } from "../../address";
import type { Run } from "../../api/types";
import { LineChart } from "../../charts/line_chart";
import { joinZoom, zoomTo } from "../../charts/zoom";
import { capitalize, formatMetric, isRising, spellOut } from "../../format";
import type { XAxis } from "../../runs/positions";
import { X_AXES } from "../../runs/positions";
import { type Comparison, commonMonitor, curveMetrics } from "./comparison";
import { saveCsv } from "./csv";
import { type Chart, groupLines, leftOutSentence, runLines } from "./lines";
import { savePicture } from "./picture";
import { BY_RECIPE, type Group, mixedFields } from "./ranking";
import { formatZoom, parseZoom, toggleHidden, type View, zoom } from "./view";

const SYNC_KEY = "compare";

interface Props {
  comparison: Comparison;
  runs: readonly Run[];
  view: View;
  labels: ReadonlyMap<string, string>;
  /** Null if the runs are not grouped. */
  groups: readonly Group[] | null;
  groupLabel: (group: Group) => string;
  fields: readonly string[];
}

export function Curves({ comparison, runs, view, labels, groups, groupLabel, fields }: Props) {
  const metric = comparison.metric || commonMonitor(runs);
  const version = comparison.version.value;
  const chart = useMemo((): Chart => {
    if (groups) {
      const curves = groups.map((group) => ({
        group,
        label: groupLabel(group),
        epochs: group.runs.map((run) => comparison.curve(run.id)),
      }));
      return groupLines(curves, metric, view.x, view.band);
    }
    const curves = runs.map(({ id }) => ({ id, label: labels.get(id) ?? id, epochs: comparison.curve(id) }));
    return runLines(curves, metric, view.x);
  }, [version, runs, groups, metric, view.x, view.band, labels]);
  useZoomInAddress(view.x);
  const figure = useRef<HTMLDivElement>(null);
  const title = capitalize(spellOut(metric));
  const isWaiting = comparison.loaded.value < runs.length;
  const saveNumbers = () =>
    saveCsv(`${metric}.csv`, [
      [view.x, ...chart.lines.map((line) => line.label)],
      ...chart.x.values.map((x, index) => [x, ...chart.lines.map((line) => line.values[index])]),
    ]);
  return (
    <section aria-busy={isWaiting}>
      <h2 class="visually-hidden">Curves</h2>
      <Controls metrics={curveMetrics(runs)} metric={metric} view={view} fields={fields} />
      <div ref={figure}>
        <LineChart
          title={title}
          x={chart.x}
          lines={chart.lines}
          scale={view.isLog ? "log" : "linear"}
          syncKey={SYNC_KEY}
          height={380}
          goal={isRising(metric) ? "high" : "low"}
          format={(value) => formatMetric(metric, value)}
          hidden={view.hidden}
          onToggle={toggleHidden}
          note={isWaiting ? `Loading the curves: ${comparison.loaded.value} of ${runs.length}.` : ""}
        />
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

/** Shows the range of the address, and notes in the address which range the user has chosen. */
function useZoomInAddress(x: XAxis): void {
  const key = `${SYNC_KEY} ${x}`;
  const known = useRef("");
  useEffect(() => {
    const note = {
      showRange: (range: readonly [number, number] | null) => {
        known.current = formatZoom(range);
        changeView({ zoom: known.current });
      },
    };
    return joinZoom(key, note);
  }, [key]);
  // The chart has joined before: effects of inner components run first.
  useLayoutEffect(
    () =>
      effect(() => {
        if (zoom.value === known.current) return;
        known.current = zoom.value;
        zoomTo(key, parseZoom(zoom.value));
      }),
    [key],
  );
}

const AXES: Record<XAxis, string> = { epoch: "epoch", step: "step", seconds: "elapsed time" };

function Controls(props: { metrics: string[]; metric: string; view: View; fields: readonly string[] }) {
  const { view } = props;
  const choices = (names: readonly string[]) => names.map((name) => [name, spellOut(name)] as const);
  return (
    <div class="options">
      <Choice
        title="Metric"
        value={props.metric}
        choices={choices(props.metrics)}
        onChange={(metric) => changeView({ metric })}
      />
      <Segments
        title="By"
        value={view.x}
        choices={X_AXES.map((name) => [name, AXES[name]] as const)}
        onChange={(x) => changeView({ x: x === "epoch" ? null : x, zoom: null })}
      />
      <Segments
        title="Axis"
        value={view.isLog ? "log" : ""}
        choices={[
          ["", "linear"],
          ["log", "logarithmic"],
        ]}
        onChange={(scale) => changeView({ scale })}
      />
      <Choice
        title="Group"
        value={view.group}
        choices={[
          ["", "each run alone"],
          [BY_RECIPE, "runs that differ only in the seed"],
          ...props.fields.map((name) => [name, `by ${name}`] as const),
        ]}
        onChange={(group) => changeView({ group, hide: null })}
      />
      {view.group && (
        <Segments
          title="Band"
          value={view.band}
          choices={[
            ["range", "lowest to highest"],
            ["deviation", "± 1 standard deviation"],
          ]}
          onChange={(band) => changeView({ band: band === "range" ? null : band })}
        />
      )}
    </div>
  );
}

interface ChoiceProps {
  title: string;
  value: string;
  choices: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}

export function Choice({ title, value, choices, onChange }: ChoiceProps) {
  return (
    <label class="option">
      {title}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {choices.map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Segments({ title, value, choices, onChange }: ChoiceProps) {
  const name = useId();
  return (
    <fieldset class="option">
      <legend>{title}</legend>
      <div class="segments">
        {choices.map(([each, text]) => (
          <label key={each}>
            <input type="radio" name={name} checked={each === value} onChange={() => onChange(each)} />
            {text}
          </label>
        ))}
      </div>
    </fieldset>
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
        Mean and{" "}
        {view.band === "range"
          ? "the range from the lowest to the highest run"
          : "one sample standard deviation"}{" "}
        over the epochs that all runs of a group have reached. {leftOutSentence(runs, counted, ended)}
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
