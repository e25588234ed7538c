import { useEffect, useMemo } from "preact/hooks";
import { addressOf } from "../../address";
import type { ExperimentBrief } from "../../api/types";
import { count, formatAgo } from "../../format";
import { Failure } from "../../parts/failure";
import { StatusMark } from "../../parts/status_mark";
import { Waiting } from "../../parts/waiting";
import { FirstQuestion } from "./first_question";
import { ListState } from "./list_state";
import { countOver, describeDesign, describeProgress } from "./words";

export function ExperimentList() {
  const list = useMemo(() => new ListState(), []);
  useEffect(() => list.start(), [list]);
  const rows = list.rows.value;
  const error = list.error.value;
  const waiting = list.waiting.value;
  return (
    <div class="experiments-page">
      <div class="heading">
        <h1>Experiments</h1>
        {waiting > 0 && (
          <button type="button" onClick={() => list.showNew()}>
            {count(waiting, "new experiment")}: show
          </button>
        )}
        {rows && rows.length > 0 && (
          <a class="button" href={addressOf({ page: "new" })}>
            Make one of a recipe
          </a>
        )}
      </div>
      {rows && error && <Failure error={error} onRetry={() => list.load()} />}
      {rows ? (
        rows.length > 0 ? (
          <ul class="experiments">
            {rows.map((row) => (
              <Row key={row.id} row={row} sentence={list.sentences.value.get(row.id)} />
            ))}
          </ul>
        ) : (
          <FirstQuestion />
        )
      ) : (
        <Waiting
          answer={rows}
          failure={error}
          load={() => list.load()}
          lines={12}
          label="Loading the experiments"
        />
      )}
      {list.hasMore.value && (
        <p>
          <button type="button" onClick={() => list.showOlder()}>
            Load older experiments
          </button>
        </p>
      )}
    </div>
  );
}

function Row({ row, sentence }: { row: ExperimentBrief; sentence: string | undefined }) {
  const isOver = row.status === "finished" || row.status === "cancelled";
  // Runs that were not created have no status, and none is to come when the experiment is over.
  const over = isOver ? row.runs : countOver(row.reused, row.counts);
  return (
    <li class="card">
      <div class="heading">
        <h2>
          <a href={addressOf({ page: "experiments", id: row.id })}>
            <bdi>{row.name ?? row.id}</bdi>
          </a>
        </h2>
        <StatusMark status={row.status} />
      </div>
      <div class="experiment-progress">
        {over < row.runs && (
          <progress
            value={over}
            max={Math.max(row.runs, 1)}
            aria-label={`Progress of ${row.name ?? row.id}`}
          />
        )}
        <span>{describeProgress(over, row.runs, row.reused, row.counts)}</span>
      </div>
      {sentence && <p class="experiment-answer">{sentence}</p>}
      <p class="quiet">
        {row.dataset} · {row.architecture} ·{" "}
        {row.design === "search"
          ? `search: ${count(row.arms, "arm")}`
          : describeDesign(row.design, row.arms, row.seeds, row.folds ?? null)}{" "}
        · created {formatAgo(row.created_at)}
      </p>
    </li>
  );
}
