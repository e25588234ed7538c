import { useState } from "preact/hooks";
import { changeView, query } from "../../address";
import type { BriefRun } from "../../api/types";
import { COLUMNS } from "./arrangement";

const STATUSES = ["queued", "running", "paused", "succeeded", "failed", "cancelled"];

/** The filters of the list; each is in the address. */
export function Filters({ rows }: { rows: readonly BriefRun[] }) {
  const value = (name: string) => query.value.get(name) ?? "";
  const datasets = [...new Set([...rows.map((row) => row.dataset), value("dataset")])].filter(Boolean).sort();
  return (
    <search class="filters">
      <label class="text">
        Search
        <input
          type="search"
          value={value("q")}
          placeholder="name, id, ingredient, data set"
          onInput={(event) => changeView({ q: event.currentTarget.value })}
        />
      </label>
      <Choice name="status" title="Status" choices={STATUSES} />
      <Choice name="dataset" title="Data set" choices={datasets} />
      <LabelFilter />
      <SortChoice />
    </search>
  );
}

function Choice({ name, title, choices }: { name: string; title: string; choices: readonly string[] }) {
  return (
    <label>
      {title}
      <select
        value={query.value.get(name) ?? ""}
        onChange={(event) => changeView({ [name]: event.currentTarget.value })}
      >
        <option value="">all</option>
        {choices.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Labels are not in the rows: the service looks for them, once the label is complete. */
function LabelFilter() {
  const [text, setText] = useState(query.value.get("label") ?? "");
  const isComplete = text === "" || /^[^:]+:./.test(text);
  return (
    <label>
      Label
      <input
        type="search"
        value={query.value.get("label") ?? ""}
        placeholder="key:value"
        aria-invalid={!isComplete}
        title={isComplete ? undefined : "A label is written key:value"}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={() => isComplete && changeView({ label: text })}
      />
    </label>
  );
}

/** On a narrow screen the table has no header to sort by. */
function SortChoice() {
  const columns = Object.keys(COLUMNS).flatMap((name) => [name, `-${name}`]);
  return (
    <label class="sort-choice">
      Sort by
      <select
        value={query.value.get("sort") ?? ""}
        onChange={(event) => changeView({ sort: event.currentTarget.value })}
      >
        <option value="">newest first</option>
        {columns.map((each) => (
          <option key={each} value={each}>
            {each.replace("-", "").replace("_", " ")}, {each.startsWith("-") ? "descending" : "ascending"}
          </option>
        ))}
      </select>
    </label>
  );
}
