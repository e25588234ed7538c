import { addressOf } from "../../address";
import type { DatasetListing } from "../../api/types";
import { count } from "../../format";
import { ClassBars } from "./class_bars";
import { datasetWith, describeCounts } from "./words";

/** What one sees of a data set in the list. */
export function BriefCard({ listing: { card, summary } }: { listing: DatasetListing }) {
  if (!card || !summary) return null;
  const { rows, sample, task, target } = summary;
  return (
    <article class="card dataset">
      <h2>
        <a href={addressOf({ page: "data", id: card.id })}>{card.id}</a>
      </h2>
      {card.title && <p>{card.title}</p>}
      <p class="quiet">
        {count(rows, "row")} · {card.kind} · {sample} · {task}
      </p>
      {card.class_counts && (
        <ClassBars counts={card.class_counts} label={`${task}, ${describeCounts(card.class_counts)}`} />
      )}
      {card.notes?.map((each) => (
        <p key={each} class="quiet">
          {each}
        </p>
      ))}
      <TrainOn id={card.id} dataset={datasetWith(card.id, { target })} />
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
