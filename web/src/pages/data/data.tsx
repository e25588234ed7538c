import { query } from "../../address";
import type { DatasetListing } from "../../api/types";
import { count } from "../../format";
import { Filter, filterText } from "../../parts/filter";
import { Waiting } from "../../parts/waiting";
import { Add, UploadRow } from "./add";
import { BriefCard } from "./brief_card";
import "./data.css";
import { Dataset } from "./dataset";
import { type News, useLive } from "./live";
import { State } from "./state";
import { type Upload, uploads } from "./upload";
import { groupListings, matches } from "./words";

export function Data() {
  const id = query.value.get("id");
  return id === null ? <Datasets /> : <Dataset id={id} />;
}

function Datasets() {
  const answered = useLive<{ data: DatasetListing[] }>("v1/datasets");
  const { answer } = answered;
  return (
    <>
      <div class="heading">
        <h1>Data</h1>
        <Filter label="Filter the data sets" />
      </div>
      <Add />
      <Waiting {...answered} lines={9} label="Loading the data sets" />
      <Uploads listings={answer?.data ?? []} />
      {answer && <Groups {...answered} listings={answer.data} />}
    </>
  );
}

/** The files of this tab, until the service has all of one. */
function Uploads({ listings }: { listings: readonly DatasetListing[] }) {
  const isOpen = ({ id, sent, file }: Upload) =>
    sent.value !== file.size || listings.some((each) => each.id === id && each.status === "uploading");
  return uploads.value.filter(isOpen).map((each) => <UploadRow key={each.key} upload={each} />);
}

function Groups(props: {
  listings: readonly DatasetListing[];
  news: Record<string, News>;
  load: () => void;
}) {
  const own = uploads.value.map((each) => each.id);
  const show = (each: DatasetListing) => (
    <State key={each.id} listing={each} news={props.news[each.id]} onRetry={props.load} />
  );
  const { pending, ready, absent } = groupListings(
    props.listings.filter((each) => matches(each, filterText())),
  );
  return (
    <>
      {pending.filter(({ id, status }) => status !== "uploading" || !own.includes(id)).map(show)}
      <p class="quiet" role="status">
        {count(ready.length, "data set")} ready to train on
      </p>
      <div class="cards">
        {ready.map((each) => (
          <BriefCard key={each.id} listing={each} />
        ))}
      </div>
      <div class="below">{absent.map(show)}</div>
    </>
  );
}
