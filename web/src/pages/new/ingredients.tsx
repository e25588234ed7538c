/** Ingredients: which variant, and the fields of the chosen one. */
import { useState } from "preact/hooks";
import { spellOut } from "../../format";
import { isObject, type Json, type Path, valueAt } from "../../json";
import { Prose } from "../../parts/prose";
import { idOf, useAt, useForm } from "./context";
import { Choice, type ControlProps, JsonControl } from "./controls";
import { FieldRow, Group, isDefault, ProblemLine } from "./fields";
import { VariantHelp } from "./help";
import { OFF, unknownFields } from "./recipe";
import type { Field, Variant, VariantsShape } from "./shapes";

/** An ingredient with at most this many fields shows all of them at once. */
const FEW_FIELDS = 3;

export function VariantsControl({ path, shape, label }: ControlProps<VariantsShape>) {
  const { draft } = useForm();
  const type = useAt(path, typeOf);
  const hasTypes = shape.variants[0]?.type !== null;
  const names = shape.variants.map((each) => String(each.type));
  const offered = type === null || names.includes(type) ? names : [...names, type];
  return (
    <fieldset class="variants" id={hasTypes ? undefined : idOf(path)} aria-label={label}>
      {hasTypes && (
        <Choice
          id={idOf(path)}
          label={label}
          options={offered.map((each) => [each, spellOut(each)])}
          selected={type ?? ""}
          onSelect={(chosen) => draft.choose(path, chosen, shape)}
        />
      )}
      <VariantBody key={type} path={path} shape={shape} label={label} />
    </fieldset>
  );
}

export function typeOf(value: Json | undefined): string | null {
  return isObject(value) && typeof value.type === "string" ? value.type : null;
}

/** The fields of the present variant. */
export function VariantBody({ path, shape, label }: { path: Path; shape: VariantsShape; label: string }) {
  const type = useAt(path, typeOf);
  const isKnown = useAt(path, isObject);
  const { draft } = useForm();
  const variant = shape.variants.find((each) => each.type === null || each.type === type);
  // What differs from the defaults is in sight at first, such as in a copy of a run.
  const [hasChanges] = useState(() =>
    (variant?.fields ?? []).some(
      (field) =>
        !field.required && !isDefault(field, valueAt(draft.state.peek(), [...path, field.name]) ?? null),
    ),
  );
  if (!variant || !isKnown) return <JsonControl path={path} label={label} />;
  const name = variant.type === null ? label : `${label}: ${spellOut(variant.type)}`;
  const isFew = variant.fields.length <= FEW_FIELDS;
  const isFirst = (field: Field) => isFew || field.required || field.name === variant.main;
  const others = variant.fields.filter((field) => !isFirst(field));
  return (
    <div class="variant">
      {variant.about?.sentence && variant.type !== OFF && (
        <div class="sentence">
          <p class="quiet">
            <Prose text={variant.about.sentence} />
          </p>
          <VariantHelp about={variant.about} label={name} />
        </div>
      )}
      {variant.fields.filter(isFirst).map((field) => (
        <FieldRow key={field.name} field={field} path={[...path, field.name]} />
      ))}
      <Group
        title={variant.fields.length > others.length ? "More" : "Fields"}
        fields={others}
        path={path}
        isOpen={hasChanges}
      />
      <UnknownFields variant={variant} path={path} />
    </div>
  );
}

/** Fields that came with an import and that the ingredient does not have: they are sent, and can be removed. */
export function UnknownFields({ variant, path }: { variant: Variant; path: Path }) {
  const { draft } = useForm();
  const names = useAt(path, (value) => (isObject(value) ? unknownFields(value, variant).join("\n") : ""));
  if (names === "") return null;
  return (
    <>
      {names.split("\n").map((name) => (
        <div class="field changed unknown" key={name}>
          <div class="field-title">
            <label for={idOf([...path, name])}>{name}</label>
            <span class="wrong">unknown field</span>
            <button type="button" onClick={() => draft.set([...path, name], undefined)}>
              Remove {name}
            </button>
          </div>
          <JsonControl path={[...path, name]} label={name} />
          <ProblemLine path={[...path, name]} />
        </div>
      ))}
    </>
  );
}
