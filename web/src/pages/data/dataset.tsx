import type { ComponentChildren } from "preact";
import { addressOf } from "../../address";
import { useAnswer } from "../../api/answer";
import type { DatasetCard, DatasetListing } from "../../api/types";
import { formatNumber, formatWhole } from "../../format";
import { Failure } from "../../parts/failure";
import { Skeleton } from "../../parts/skeleton";
import { Table } from "../../parts/table";
import { useTitle } from "../../title";
import { TrainOn } from "./brief_card";
import { Columns } from "./columns";
import { describeCounts, describeShape, describeSplits, describeTask } from "./words";

const STATES = {
  broken: ["bad", "This data set cannot be used"],
  absent: ["warning", "The files of this data set are not on this machine"],
  packing: ["", "This data set is being packed for training, which happens once"],
  ready: ["", ""],
} as const;

/** One data set: what is wrong with it, or what is in it. */
export function Dataset({ id }: { id: string }) {
  const { answer, failure, load } = useAnswer<DatasetListing>(`v1/datasets/${encodeURIComponent(id)}`);
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
      {failure && <Failure error={failure} onRetry={load} />}
      {!answer && !failure && <Skeleton lines={9} label={`Loading ${id}`} />}
      {answer && answer.status !== "ready" && <State listing={answer} onRetry={load} />}
      {answer?.card && <Card card={answer.card} />}
    </>
  );
}

function State({ listing, onRetry }: { listing: DatasetListing; onRetry: () => void }) {
  const [kind, text] = STATES[listing.status];
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
      <dl class="pairs">
        <Fact name="Sample">
          {card.kind}, {describeShape(card)}
        </Fact>
        <Fact name="Learn">{describeTask(card)}</Fact>
        <Fact name="Rows">{describeSplits(card)}</Fact>
        <Fact name="Values">
          {formatNumber(card.minimum)} to {formatNumber(card.maximum)}, stored as {card.dtype}
        </Fact>
        <Fact name="Mirroring">
          {card.mirror_safe ? "A mirrored sample keeps its meaning" : "A mirrored sample changes its meaning"}
        </Fact>
        {card.notes?.map((each) => (
          <Fact key={each} name="Note">
            {each}
          </Fact>
        ))}
        <Fact name="Origin">{card.origin}</Fact>
        <Fact name="Fingerprint">
          <code>{card.fingerprint}</code>
        </Fact>
      </dl>
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

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

interface Counted {
  title: string;
  classes: readonly string[];
  counts: readonly number[];
}

function Classes({ title, classes, counts }: Counted) {
  const most = Math.max(...counts, 1);
  return (
    <section class="below">
      <h2>{title}</h2>
      <p class="quiet">{describeCounts(counts)}</p>
      <Table
        label={title}
        class="classes"
        rows={classes}
        columns={[
          { title: "Class", cell: (each) => each },
          { title: "Rows", isNumber: true, cell: (_, index) => formatWhole(counts[index] ?? 0) },
          {
            title: <span class="visually-hidden">Share</span>,
            cell: (_, index) => (
              <div class="bar" style={{ width: `${(100 * (counts[index] ?? 0)) / most}%` }} />
            ),
          },
        ]}
      />
    </section>
  );
}
