/** One among several values, as a list or as radio buttons side by side. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import "./options.css";

export interface Options<Value extends string = string> {
  /** Each value with the text under which it is offered. */
  options: readonly (readonly [value: Value, text: string])[];
  selected: Value;
  onSelect: (value: Value) => void;
}

interface Named {
  id?: string;
  "aria-label"?: string;
}

export function Select<Value extends string>(props: Options<Value> & Named) {
  const { options, selected, onSelect, ...named } = props;
  return (
    <select {...named} value={selected} onChange={(event) => onSelect(event.currentTarget.value as Value)}>
      {options.map(([value, text]) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  );
}

export function Radios<Value extends string>({ options, selected, onSelect }: Options<Value>) {
  const name = useId();
  return options.map(([value, text]) => (
    <label key={value}>
      <input type="radio" name={name} checked={value === selected} onChange={() => onSelect(value)} />
      {text}
    </label>
  )) as ComponentChildren;
}

export function Segments<Value extends string>({ label, ...choice }: Options<Value> & { label: string }) {
  return (
    <fieldset class="choice">
      <legend>{label}</legend>
      <span class="segments">
        <Radios {...choice} />
      </span>
    </fieldset>
  );
}
