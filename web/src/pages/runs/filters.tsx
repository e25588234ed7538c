import { useState } from "preact/hooks";
import { changeView, query } from "../../address";
import type { BriefRun } from "../../api/types";
import { spellOut } from "../../format";
import { type Options, Select } from "../../parts/options";
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
      <Choice name="status" title="Status" options={orAll(STATUSES)} />
      <Choice name="dataset" title="Data set" options={orAll(datasets)} />
      <LabelFilter />
      <Choice name="sort" title="Sort by" options={[["", "newest first"], ...SORTS]} />
    </search>
  );
}

function Choice({ name, title, options }: { name: string; title: string; options: Options["options"] }) {
  return (
    <label class={`${name}-choice`}>
      {title}
      <Select
        options={options}
        selected={query.value.get(name) ?? ""}
        onSelect={(value) => changeView({ [name]: value })}
      />
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
const SORTS = Object.keys(COLUMNS).flatMap((name) => [
  [name, `${spellOut(name)}, ascending`] as const,
  [`-${name}`, `${spellOut(name)}, descending`] as const,
]);

function orAll(values: readonly string[]): Options["options"] {
  return [["", "all"], ...values.map((each) => [each, each] as const)];
}
