import { useState } from "preact/hooks";
import { isEqual, isObject, type Json } from "../../json";
import { idOf, useAt, useForm } from "./context";
import type { ControlProps } from "./controls";

/** Names with texts, a row each. */
export function LabelsControl({ path, label }: ControlProps) {
  const { draft } = useForm();
  const value = useAt(path, (value) => value ?? {});
  const shown = isObject(value)
    ? Object.entries(value).map(([name, text]): [string, string] => [name, String(text)])
    : [];
  const [typed, setTyped] = useState<readonly [string, string][]>(shown);
  const isSame = isEqual(withoutEmptyRows(typed), Object.fromEntries(shown));
  const rows = isSame ? typed : shown;
  const set = (changed: readonly [string, string][]) => {
    setTyped(changed);
    draft.set(path, withoutEmptyRows(changed));
  };
  const replaced = (index: number, name: string, text: string) => set(rows.with(index, [name, text]));
  return (
    <fieldset class="rows" id={idOf(path)} aria-label={label}>
      {rows.map(([name, text], index) => (
        <div class="row" key={index}>
          <input
            type="text"
            aria-label={`Name in row ${index + 1}`}
            value={name}
            onInput={(event) => replaced(index, event.currentTarget.value, text)}
          />
          <input
            type="text"
            aria-label={`Text in row ${index + 1}`}
            value={text}
            onInput={(event) => replaced(index, name, event.currentTarget.value)}
          />
          <button
            type="button"
            aria-label={`Remove row ${index + 1}`}
            onClick={() => set(rows.toSpliced(index, 1))}
          >
            ✕
          </button>
        </div>
      ))}
      <button type="button" onClick={() => setTyped([...rows, ["", ""]])}>
        Add a row
      </button>
    </fieldset>
  );
}

function withoutEmptyRows(rows: readonly [string, string][]): Json {
  return Object.fromEntries(rows.filter(([name, text]) => name !== "" || text !== ""));
}
