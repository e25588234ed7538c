import { computed } from "@preact/signals-core";
import { useEffect, useMemo } from "preact/hooks";
import { addressOf, changeView, listed, query } from "../../address";
import { useAnswer } from "../../api/answer";
import type { BriefPage, Run } from "../../api/types";
import type { Json } from "../../json";
import { Empty } from "../../parts/empty";
import { Failure } from "../../parts/failure";
import { NotifyButton } from "../../parts/notify";
import { Waiting } from "../../parts/waiting";
import { distinctStyles } from "../../runs/colors";
import { isOver } from "../../runs/status";
import { Comparison, commonMonitor, MAX_RUNS } from "./comparison";
import { Curves, hasFailed } from "./curves";
import { useDefaults } from "./defaults";
import { fieldValue, recipeFields, valueText } from "./fields";
import { GroupsTable } from "./groups_table";
import { BY_RECIPE, datasetsOf, type Group, groupRuns, rankingMetric } from "./ranking";
import { ResultsTable } from "./results_table";
import { Scatter } from "./scatter";
import { leaveOut, view as presentView } from "./view";
import "./compare.css";

const chosenMetric = computed(() => query.value.get("metric") ?? "");
const chosen = computed(() => [...new Set(listed("runs"))].slice(0, MAX_RUNS).join(","));

/** Runs side by side: their curves, and the fields and results in which they differ. */
export function Compare() {
  const text = chosen.value;
  const metric = chosenMetric.value;
  const comparison = useMemo(() => new Comparison(text.split(",").filter(Boolean), metric), [text, metric]);
  useEffect(() => {
    if (comparison.ids.length > 0) comparison.start();
    return () => comparison.end();
  }, [comparison]);
  const live = (comparison.runs.value ?? []).flatMap(({ id, status }) => (isOver(status) ? [] : id));
  return (
    <div class="compare-page">
      <div class="heading">
        <h1>Compare</h1>
        {live.length > 0 && <NotifyButton ids={live} />}
      </div>
      {comparison.ids.length === 0 ? <NothingChosen /> : <Chosen comparison={comparison} />}
    </div>
  );
}

function NothingChosen() {
  const { answer, failure } = useAnswer<BriefPage>("v1/runs?view=brief&limit=5");
  const newest = answer?.data.map((row) => row.id);
  return (
    <>
      {failure && <Failure error={failure} />}
      <Empty
        title="Which runs?"
        action={
          <button
            type="button"
            class="primary"
            disabled={!newest}
            onClick={() => changeView({ runs: newest })}
          >
            Compare the newest five runs
          </button>
        }
        command="bakehouse compare"
      >
        Tick runs in the <a href={addressOf({})}>list of runs</a> and press Compare: you see their curves over
        each other, and the fields in which their recipes differ.
      </Empty>
    </>
  );
}

function Chosen({ comparison }: { comparison: Comparison }) {
  const { error, missing } = comparison;
  const runs = comparison.runs.value;
  return (
    <>
      <Waiting
        answer={runs}
        failure={error.value}
        load={() => comparison.start()}
        lines={12}
        label="Loading the runs"
      />
      {missing.value.length > 0 && (
        <div class="notice warning">
          <p>Not here, or not any more: {missing.value.join(", ")}</p>
          <button type="button" onClick={() => leaveOut(missing.value)}>
            Leave out
          </button>
        </div>
      )}
      {runs && runs.length > 0 && <Loaded comparison={comparison} runs={runs} />}
    </>
  );
}

function Loaded({ comparison, runs }: { comparison: Comparison; runs: readonly Run[] }) {
  const view = presentView.value;
  const defaults = useDefaults();
  const recipes = useMemo(() => runs.map((run) => run.recipe as unknown as Json), [runs]);
  const differing = useMemo(() => recipeFields(recipes), [recipes]);
  const shown = useMemo(
    () => (view.showsAll ? recipeFields(recipes, { all: true }) : differing),
    [recipes, view.showsAll],
  );
  const labels = useMemo(() => labelsOf(runs), [runs]);
  const ranking = useMemo(() => rankingMetric(runs), [runs]);
  const groups = useMemo(
    () =>
      view.group
        ? groupRuns(
            runs.filter((run) => !hasFailed(run)),
            view.group,
          )
        : null,
    [runs, view.group],
  );
  const styles = useMemo(() => {
    const oldestFirst = runs.map(({ created_at, id }) => [created_at, id] as const).sort();
    const keys = groups?.map((group) => group.key).sort() ?? [];
    return distinctStyles([...oldestFirst.map(([, id]) => id), ...keys]);
  }, [runs, groups]);
  const groupLabel = (group: Group) =>
    view.group === BY_RECIPE
      ? describeRecipe(group, [...differing.keys()], defaults)
      : `${view.group} ${valueText(group.value, defaults)}`;
  const fields = [...differing.keys(), ...labelFields(runs)];
  const datasets = datasetsOf(runs);
  return (
    <div class="compare-parts">
      {runs.length === 1 && (
        <p class="notice">
          Tick another run in the <a href={addressOf({ ticked: comparison.ids })}>list</a> to compare.
        </p>
      )}
      {datasets.length > 1 && (
        <p class="notice warning">
          The runs are of several data sets, whose metrics do not compare: {datasets.join(", ")}.
        </p>
      )}
      <Curves
        comparison={comparison}
        runs={runs}
        view={view}
        labels={labels}
        styles={styles}
        groups={groups}
        groupLabel={groupLabel}
        fields={fields}
      />
      {groups && <GroupsTable groups={groups} ranking={ranking} groupLabel={groupLabel} styles={styles} />}
      <ResultsTable
        runs={runs}
        fields={shown}
        defaults={defaults}
        ranking={ranking}
        showsAll={view.showsAll}
        labels={labels}
        styles={styles}
      />
      <Scatter
        runs={runs}
        fields={fields}
        chosen={view.scatter}
        metric={ranking?.metric ?? commonMonitor(runs)}
        defaults={defaults}
        labels={labels}
        styles={styles}
      />
    </div>
  );
}

/** Returns the names of the runs; runs of the same name are told apart by their ids. */
function labelsOf(runs: readonly Run[]): ReadonlyMap<string, string> {
  const counts = new Map<string, number>();
  for (const { name } of runs) if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
  return new Map(
    runs.map(({ id, name }) => [id, !name ? id : counts.get(name) === 1 ? name : `${name} ${id.slice(-4)}`]),
  );
}

function labelFields(runs: readonly Run[]): string[] {
  return [...new Set(runs.flatMap((run) => Object.keys(run.labels)))].map((name) => `labels.${name}`);
}

/** Returns what tells the recipe of a group from those of the others. */
function describeRecipe(
  group: Group,
  differing: readonly string[],
  defaults: Parameters<typeof valueText>[1],
): string {
  const [run] = group.runs;
  if (!run) return group.key;
  const parts = differing.flatMap((name) => {
    const value = fieldValue(run, name);
    const text = valueText(value, defaults);
    if (name === "seed" || text === "none") return [];
    return typeof value === "object" || name === "dataset.id"
      ? [text]
      : [`${name.split(".").at(-1)} ${text}`];
  });
  return parts.join(", ") || (run.name ?? "nothing else");
}
