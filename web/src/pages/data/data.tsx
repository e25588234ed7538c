import { query } from "../../address";
import { useAnswer } from "../../api/answer";
import type { DatasetListing } from "../../api/types";
import { count } from "../../format";
import { Copy } from "../../parts/copy";
import { Filter, filterText } from "../../parts/filter";
import { Pairs } from "../../parts/pairs";
import { Waiting } from "../../parts/waiting";
import { BriefCard } from "./brief_card";
import "./data.css";
import { Dataset } from "./dataset";
import { groupListings, matches } from "./words";

export function Data() {
  const id = query.value.get("id");
  return id === null ? <Datasets /> : <Dataset id={id} />;
}

function Datasets() {
  const answered = useAnswer<{ data: DatasetListing[] }>("v1/datasets");
  const { answer, load } = answered;
  const filter = filterText();
  return (
    <>
      <div class="heading">
        <h1>Data</h1>
        <div class="buttons">
          <Filter label="Filter the data sets" />
          <button type="button" onClick={load}>
            Look again
          </button>
        </div>
      </div>
      <Waiting {...answered} lines={9} label="Loading the data sets" />
      {answer && <Groups listings={answer.data.filter((each) => matches(each, filter))} filter={filter} />}
      {answer && <AddOwn />}
    </>
  );
}

function Groups({ listings, filter }: { listings: readonly DatasetListing[]; filter: string }) {
  const { broken, packing, ready, absent } = groupListings(listings);
  return (
    <>
      {broken.map((each) => (
        <div class="notice bad" key={each.id}>
          <h2>
            <a href={`?page=data&id=${encodeURIComponent(each.id)}`}>{each.id}</a> cannot be used
          </h2>
          <p>{each.problem}</p>
        </div>
      ))}
      {packing.length > 0 && (
        <div class="notice">
          <p>
            {packing.map((each) => each.id).join(", ")}: being packed for training. This happens once; recipes
            can name the data set already.
          </p>
        </div>
      )}
      <p class="quiet" role="status">
        {filter
          ? `${count(listings.length, "data set")} with “${filter}”`
          : `${count(ready.length, "data set")} ready to train on`}
      </p>
      <div class="cards">
        {ready.map((each) => each.card && <BriefCard key={each.id} card={each.card} />)}
      </div>
      {absent.length > 0 && (
        <section class="below">
          <h2>Known by name, not on this machine</h2>
          <Pairs pairs={absent.map(({ id, problem }) => [<code key={id}>{id}</code>, problem])} />
        </section>
      )}
    </>
  );
}

const FORMATS = [
  [
    "name.csv",
    "a header, and numbers without empty cells. The recipe names the target column; the others are inputs.",
  ],
  [
    "name.npz",
    "arrays x and y. An x with three axes holds grey images, or sequences if an array kind says so.",
  ],
  ["name/", "one folder of pictures for each class."],
] as const;

function AddOwn() {
  return (
    <section class="below">
      <h2>Your own data</h2>
      <p>Start Bakehouse with a folder: each file or folder in it is a data set of that name.</p>
      <Copy text="BAKEHOUSE_DATA=./data bakehouse up" />
      <Pairs pairs={FORMATS.map(([name, text]) => [<code key={name}>{name}</code>, text])} />
    </section>
  );
}
