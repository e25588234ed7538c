import { addressOf } from "../../address";
import type { DatasetCard } from "../../api/types";
import { count } from "../../format";
import { ClassBars } from "./class_bars";
import { countRows, datasetWith, describeCounts, describeShape, describeTask } from "./words";

/** What one sees of a data set in the list. */
export function BriefCard({ card }: { card: DatasetCard }) {
  return (
    <article class="card dataset">
      <h2>
        <a href={addressOf({ page: "data", id: card.id })}>{card.id}</a>
      </h2>
      {card.title && <p>{card.title}</p>}
      <p class="quiet">
        {count(countRows(card), "row")} · {card.kind} · {describeShape(card)} · {describeTask(card)}
      </p>
      {card.class_counts && (
        <ClassBars
          counts={card.class_counts}
          label={`${describeTask(card)}, ${describeCounts(card.class_counts)}`}
        />
      )}
      {card.notes?.map((each) => (
        <p key={each} class="quiet">
          {each}
        </p>
      ))}
      <TrainOn id={card.id} dataset={datasetWith(card)} />
    </article>
  );
}

/** `dataset` is what the new recipe begins with: the id, or more. */
export function TrainOn({ id, dataset }: { id: string; dataset: string }) {
  return (
    <p class="buttons">
      <a class="button" href={addressOf({ page: "new", dataset })}>
        Use it<span class="visually-hidden">: {id}</span>
      </a>
      <a class="button plain" href={addressOf({ dataset: id })}>
        Its runs<span class="visually-hidden">: {id}</span>
      </a>
    </p>
  );
}
