/** One among several values, as a list or as radio buttons side by side. */
import type { ComponentChildren } from "preact";
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

/** The name tells the radio buttons of a group from those of others. */
export function Radios<Value extends string>(props: Options<Value> & { name: string }) {
  const { name, options, selected, onSelect } = props;
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
        <Radios name={label} {...choice} />
      </span>
    </fieldset>
  );
}
