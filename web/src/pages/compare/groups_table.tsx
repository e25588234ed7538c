import { formatMetric, isShare, spellOut } from "../../format";
import { RunLine } from "../../parts/run_line";
import { Table } from "../../parts/table";
import { saveCsv } from "./csv";
import type { Styles } from "./lines";
import { bestMetrics, type Group, type Ranking, rank, shownMetrics, spreadOf } from "./ranking";

/** Mean, standard deviation and number of runs of each group that have succeeded, the best mean first. */
export function GroupsTable(props: {
  groups: readonly Group[];
  ranking: Ranking | null;
  groupLabel: (group: Group) => string;
  styles: Styles;
}) {
  const { ranking, groupLabel } = props;
  const groups = props.groups.map((group) => ({
    ...group,
    runs: group.runs.filter((run) => run.status === "succeeded"),
  }));
  const spread = (group: Group, name: string) => spreadOf(group.runs.map((run) => bestMetrics(run)[name]));
  const metrics = shownMetrics(
    groups.flatMap((group) => group.runs),
    ranking,
  );
  const ranked = ranking
    ? rank(groups, ranking.metric, (group) => spread(group, ranking.metric)?.mean ?? null)
    : groups;
  const save = () =>
    saveCsv("groups.csv", [
      ["group", "n", ...metrics.flatMap((name) => [`${name}_mean`, `${name}_standard_deviation`])],
      ...ranked.map((group) => [
        groupLabel(group),
        group.runs.length,
        ...metrics.flatMap((name) => [spread(group, name)?.mean, spread(group, name)?.deviation]),
      ]),
    ]);
  return (
    <section class="card">
      <h2>Groups</h2>
      <p class="quiet">Mean ± standard deviation of the best epochs of the runs that succeeded.</p>
      <Table
        label="Groups"
        class="comparison"
        rows={ranked}
        keyOf={(group) => group.key}
        columns={[
          {
            title: "Group",
            cell: (group) => (
              <>
                <RunLine {...props.styles(group.key)} /> {groupLabel(group)}
              </>
            ),
          },
          { title: "n", isNumber: true, cell: (group) => group.runs.length },
          ...metrics.map((name) => ({
            title: spellOut(name),
            isNumber: true,
            cell: (group: Group) => spreadText(name, spread(group, name)),
          })),
        ]}
      />
      <p class="buttons">
        <button type="button" onClick={save}>
          Save the groups as CSV
        </button>
      </p>
    </section>
  );
}

/** Returns `97.3% ± 0.12`. */
export function spreadText(metric: string, spread: ReturnType<typeof spreadOf>): string {
  if (!spread) return "–";
  const mean = formatMetric(metric, spread.mean);
  if (spread.deviation === null) return mean;
  const deviation = isShare(metric)
    ? (100 * spread.deviation).toFixed(2)
    : Number(spread.deviation.toPrecision(2)).toString();
  return `${mean} ± ${deviation}`;
}
