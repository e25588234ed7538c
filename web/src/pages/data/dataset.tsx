import { useState } from "preact/hooks";
import { addressOf } from "../../address";
import type { DatasetCard, DatasetListing, DatasetSummary } from "../../api/types";
import { formatNumber } from "../../format";
import { ClassTable } from "../../parts/class_table";
import { Empty } from "../../parts/empty";
import { type Pair, Pairs } from "../../parts/pairs";
import { Waiting } from "../../parts/waiting";
import { useTitle } from "../../title";
import { TrainOn } from "./brief_card";
import { Columns } from "./columns";
import { Findings } from "./findings";
import { useLive } from "./live";
import { Remove } from "./remove";
import { Samples } from "./samples";
import { State } from "./state";
import { type Choice, datasetWith, describeCounts } from "./words";

/** One data set: what is wrong with it, or what is in it. */
export function Dataset({ id }: { id: string }) {
  const answered = useLive<DatasetListing>(`v1/datasets/${encodeURIComponent(id)}`);
  const { failure, load, news } = answered;
  const isDeleted = answered.answer && failure?.status === 404;
  const answer = isDeleted ? null : answered.answer;
  const [chosen, setChosen] = useState<Choice>({});
  const { card, summary } = answer ?? {};
  const choice = { target: summary?.target, ...chosen };
  const dataset = datasetWith(card?.id ?? id, choice);
  useTitle(id);
  return (
    <>
      <p>
        <a href={addressOf({ page: "data" })}>All data</a>
      </p>
      <div class="heading">
        <h1>{id}</h1>
        {(card || answer?.status === "packing") && <TrainOn id={id} dataset={dataset} />}
      </div>
      {isDeleted ? (
        <Empty title="This data set has been deleted">Runs that were trained on it stay as they are.</Empty>
      ) : (
        <Waiting {...answered} lines={9} label={`Loading ${id}`} />
      )}
      {answer && answer.status !== "ready" && (
        <State listing={answer} news={news[answer.id]} onRetry={load} />
      )}
      {card && summary && (
        <>
          <Facts card={card} summary={summary} />
          <Findings card={card} dataset={dataset} />
          {card.columns && (
            <Columns columns={card.columns} kinds={summary.kinds} choice={choice} onChoose={setChosen} />
          )}
          <Samples id={card.id} />
          <Targets card={card} />
        </>
      )}
      {card && answer?.version && (
        <div class="below">
          <Remove listing={answer} onDone={load} />
        </div>
      )}
    </>
  );
}

function Facts({ card, summary }: { card: DatasetCard; summary: DatasetSummary }) {
  const { minimum, maximum, dtype } = card;
  const values: Pair = ["Values", `${formatNumber(minimum)} to ${formatNumber(maximum)}, stored as ${dtype}`];
  return (
    <>
      {card.title && <p>{card.title}</p>}
      <Pairs
        pairs={[
          ["Sample", `${card.kind}, ${summary.sample}`],
          ["Learn", summary.task],
          ["Rows", summary.splits],
          ...(card.columns ? [] : [values]),
          ...(card.notes ?? []).map((note): Pair => ["Note", note]),
          ["Origin", card.origin],
          ["Fingerprint", <code key="fingerprint">{card.fingerprint}</code>],
        ]}
      />
    </>
  );
}

/** How many rows each class has, of all targets. */
function Targets({ card }: { card: DatasetCard }) {
  return (
    <>
      {card.classes && card.class_counts && (
        <Classes title="Classes" classes={card.classes} counts={card.class_counts} />
      )}
      {card.targets?.map((each) =>
        each.classes && each.class_counts ? (
          <Classes
            key={each.name}
            title={`Further target: ${each.name}`}
            classes={each.classes}
            counts={each.class_counts}
          />
        ) : (
          <p key={each.name}>Further target: {each.name}, a number</p>
        ),
      )}
    </>
  );
}

function Classes(props: { title: string; classes: readonly string[]; counts: readonly number[] }) {
  return (
    <section class="below">
      <h2>{props.title}</h2>
      <p class="quiet">{describeCounts(props.counts)}</p>
      <ClassTable {...props} />
    </section>
  );
}
