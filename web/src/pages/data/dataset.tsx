import { addressOf } from "../../address";
import { useAnswer } from "../../api/answer";
import type { DatasetCard, DatasetListing } from "../../api/types";
import { formatNumber } from "../../format";
import { ClassTable } from "../../parts/class_table";
import { type Pair, Pairs } from "../../parts/pairs";
import { Waiting } from "../../parts/waiting";
import { useTitle } from "../../title";
import { TrainOn } from "./brief_card";
import { Columns } from "./columns";
import { describeCounts, describeShape, describeSplits, describeTask } from "./words";

const UNUSABLE = ["bad", "This data set cannot be used"];
const STATES: Record<string, string[]> = {
  broken: UNUSABLE,
  refused: UNUSABLE,
  absent: ["warning", "The files of this data set are not on this machine"],
  packing: ["", "It is being packed for training, which happens once"],
  uploading: ["", "Parts of its file are still to come"],
  inspecting: ["", "It is being read and packed for training"],
};

/** One data set: what is wrong with it, or what is in it. */
export function Dataset({ id }: { id: string }) {
  const answered = useAnswer<DatasetListing>(`v1/datasets/${encodeURIComponent(id)}`);
  const { answer, load } = answered;
  useTitle(id);
  return (
    <>
      <p>
        <a href={addressOf({ page: "data" })}>All data</a>
      </p>
      <div class="heading">
        <h1>{id}</h1>
        {answer && (answer.status === "ready" || answer.status === "packing") && <TrainOn id={id} />}
      </div>
      <Waiting {...answered} lines={9} label={`Loading ${id}`} />
      {answer && answer.status !== "ready" && <State listing={answer} onRetry={load} />}
      {answer?.card && <Card card={answer.card} />}
    </>
  );
}

function State({ listing, onRetry }: { listing: DatasetListing; onRetry: () => void }) {
  const [kind, text] = STATES[listing.status] ?? [];
  return (
    <div class={`notice ${kind}`} role="status">
      <p>
        <strong>{text}</strong>
      </p>
      {listing.problem && <p>{listing.problem}</p>}
      <button type="button" onClick={onRetry}>
        Look again
      </button>
    </div>
  );
}

function Card({ card }: { card: DatasetCard }) {
  return (
    <>
      {card.title && <p>{card.title}</p>}
      <Pairs
        pairs={[
          ["Sample", `${card.kind}, ${describeShape(card)}`],
          ["Learn", describeTask(card)],
          ["Rows", describeSplits(card)],
          [
            "Values",
            `${formatNumber(card.minimum)} to ${formatNumber(card.maximum)}, stored as ${card.dtype}`,
          ],
          ["Mirroring", `A mirrored sample ${card.mirror_safe ? "keeps" : "changes"} its meaning`],
          ...(card.notes ?? []).map((note): Pair => ["Note", note]),
          ["Origin", card.origin],
          ["Fingerprint", <code key="fingerprint">{card.fingerprint}</code>],
        ]}
      />
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
      {card.columns && <Columns columns={card.columns} />}
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
