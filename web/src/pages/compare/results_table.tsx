import { addressOf, changeView } from "../../address";
import type { Run } from "../../api/types";
import { formatMetric, formatSeconds, formatWhole, spellOut } from "../../format";
import { RunLine } from "../../parts/run_line";
import { StatusMark } from "../../parts/status_mark";
import { Table } from "../../parts/table";
import { saveCsv } from "./csv";
import { type Defaults, type Fields, valueText } from "./fields";
import type { Styles } from "./lines";
import { bestMetrics, type Ranking, rank, shownMetrics } from "./ranking";
import { leaveOut } from "./view";

interface Props {
  runs: readonly Run[];
  fields: Fields;
  defaults: Defaults;
  ranking: Ranking | null;
  showsAll: boolean;
  labels: ReadonlyMap<string, string>;
  styles: Styles;
}

/** A row for each run, the best first: the fields of the recipes that differ, and the results. */
export function ResultsTable({ runs, fields, defaults, ranking, showsAll, labels, styles }: Props) {
  const metrics = shownMetrics(runs, ranking);
  const places = new Map(runs.map((run, index) => [run.id, index]));
  const ranked = ranking
    ? rank(runs, ranking.metric, (run) => bestMetrics(run)[ranking.metric] ?? null)
    : runs;
  const texts = (run: Run) =>
    [...fields.values()].map((values) => valueText(values[places.get(run.id) ?? 0] ?? null, defaults));
  const save = () =>
    saveCsv("comparison.csv", [
      ["id", "name", ...fields.keys(), "status", "best_epoch", "stop_epoch", ...metrics, "seconds"],
      ...ranked.map((run) => [
        run.id,
        run.name,
        ...texts(run),
        run.status,
        run.best?.epoch,
        run.progress.epoch,
        ...metrics.map((name) => bestMetrics(run)[name]),
        run.seconds,
      ]),
    ]);
  return (
    <section class="card">
      <div class="heading">
        <h2>Differences and results</h2>
        <label>
          <input
            type="checkbox"
            checked={showsAll}
            onChange={() => changeView({ fields: showsAll ? null : "all" })}
          />{" "}
          All fields of the recipes
        </label>
      </div>
      <p class="quiet">{rankingSentence(ranking)}</p>
      <Table
        label="Differences and results"
        class="comparison"
        rows={ranked}
        keyOf={(run) => run.id}
        columns={[
          {
            title: "Run",
            cell: ({ id }) => (
              <>
                <RunLine {...styles(id)} />{" "}
                <a href={addressOf({ page: "run", id })}>
                  <bdi>{labels.get(id)}</bdi>
                </a>
              </>
            ),
          },
          ...[...fields].map(([title, values]) => ({
            title,
            cell: (run: Run) => valueText(values[places.get(run.id) ?? 0] ?? null, defaults),
          })),
          { title: "Status", cell: ({ status }) => <StatusMark status={status} /> },
          { title: "Best epoch", isNumber: true, cell: ({ best }) => (best ? formatWhole(best.epoch) : "–") },
          { title: "Stop epoch", isNumber: true, cell: ({ progress }) => formatWhole(progress.epoch) },
          ...metrics.map((name) => ({
            title: spellOut(name),
            isNumber: true,
            cell: (run: Run) => formatMetric(name, bestMetrics(run)[name]),
          })),
          { title: "Time", isNumber: true, cell: ({ seconds }) => formatSeconds(seconds) },
          {
            title: <span class="visually-hidden">Leave out</span>,
            cell: ({ id }) => (
              <button
                type="button"
                class="plain"
                aria-label={`Leave ${labels.get(id)} out`}
                title="Leave out of the comparison"
                onClick={() => leaveOut([id])}
              >
                ×
              </button>
            ),
          },
        ]}
      />
      {fields.size === 0 && <p>The recipes do not differ.</p>}
      <p class="buttons">
        <button type="button" onClick={save}>
          Save the table as CSV
        </button>
      </p>
    </section>
  );
}

function rankingSentence(ranking: Ranking | null): string {
  if (!ranking) return "Not ranked: no metric compares them.";
  return `The best first, by ${spellOut(ranking.metric)} at the best epoch, ${ranking.reason}. Test metrics are those of the best weights.`;
}
