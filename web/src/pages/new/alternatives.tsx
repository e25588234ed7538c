/** Fields that may be not set, and fields that take values of several kinds. */

import { isEqual, isList, isObject, type Json, type Path, valueAt } from "../../json";
import { idOf, useAt, useForm } from "./context";
import { Choice, type ControlProps, constantOption } from "./controls";
import { Control } from "./fields";
import { firstValue } from "./first_value";
import type { Shape } from "./shapes";

/** A switch; the part appears when it is on. */
export function OptionalControl({ path, shape, label, usual }: ControlProps<Shape & { kind: "optional" }>) {
  const { draft } = useForm();
  const isOn = useAt(path, (value) => value !== null && value !== undefined);
  const taken = useTaken(path);
  const isShown = !isOn && taken !== null && taken !== undefined && !isObject(taken);
  return (
    <div class="optional" id={isOn ? undefined : idOf(path)}>
      <label class="switch">
        <input
          type="checkbox"
          aria-label={`Set ${label}`}
          checked={isOn}
          onChange={() => draft.set(path, isOn ? null : firstValue(shape.inner, taken))}
        />
        <span class="quiet">
          {isOn ? "set" : isShown ? `not set: ${JSON.stringify(taken)} here` : "not set"}
        </span>
      </label>
      {isOn && <Control shape={shape.inner} path={path} label={label} usual={usual ?? taken ?? null} />}
    </div>
  );
}

export function EitherControl({ path, shape, label, usual }: ControlProps<Shape & { kind: "either" }>) {
  const { draft } = useForm();
  const value = useAt(path, (value) => value ?? null);
  const constant = shape.values.find((each) => isEqual(each, value));
  const inner = shape.inner.findIndex((each) => fits(each, value));
  const open = shape.inner[inner === -1 ? 0 : inner];
  return (
    <div class="either" id={constant === undefined ? undefined : idOf(path)}>
      <Choice
        id={`${idOf(path)}-kind`}
        label={`Kind of ${label}`}
        options={[
          ...shape.inner.map(({ kind }, index): [string, string] => [`inner${index}`, kind]),
          ...shape.values.map(constantOption),
        ]}
        selected={constant === undefined ? `inner${Math.max(inner, 0)}` : JSON.stringify(constant)}
        onSelect={(key) => {
          const other = key.startsWith("inner") ? shape.inner[Number(key.slice(5))] : undefined;
          draft.set(path, other ? firstValue(other, undefined) : (JSON.parse(key) as Json));
        }}
      />
      {constant === undefined && open && <Control shape={open} path={path} label={label} usual={usual} />}
    </div>
  );
}

function fits(shape: Shape, value: Json): boolean {
  if (shape.kind === "number") return typeof value === "number";
  if (shape.kind === "text") return typeof value === "string";
  return shape.kind === "numbers" || shape.kind === "list" ? isList(value) : isObject(value);
}

/** Returns what the service takes for a field that is not set, as it depends on the data. */
function useTaken(path: Path): Json | undefined {
  const { check } = useForm();
  return valueAt((check.preview.value?.recipe ?? null) as Json, path);
}
