import { useId } from "preact/hooks";
import "./segments.css";

/** A choice of one among few. */
export function Segments<Value extends string>(props: {
  label: string;
  values: readonly Value[];
  titles?: Partial<Record<Value, string>>;
  selected: Value;
  onSelect: (value: Value) => void;
}) {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend>{props.label}</legend>
      <span class="segments">
        {props.values.map((value) => (
          <label key={value}>
            <input
              type="radio"
              name={name}
              checked={value === props.selected}
              onChange={() => props.onSelect(value)}
            />
            {props.titles?.[value] ?? value}
          </label>
        ))}
      </span>
    </fieldset>
  );
}
