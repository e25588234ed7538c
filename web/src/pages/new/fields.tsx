/** The form: fields, ingredients and lists of ingredients, drawn from their shapes. */
import { useComputed } from "@preact/signals";
import { useState } from "preact/hooks";
import { spellOut } from "../../format";
import { focusField, idOf, useAt, useForm, useProblems } from "./context";
import {
  BooleanControl,
  ChoiceControl,
  type ControlProps,
  constantName,
  firstValue,
  JsonControl,
  LabelsControl,
  NumberControl,
  NumbersControl,
  Options,
  TextControl,
  useTaken,
} from "./controls";
import { FieldHelp, Prose, VariantHelp } from "./help";
import { isEqual, isList, isObject, type Json, type Path, pointerOf, valueAt } from "./json";
import { printJson } from "./print";
import { fromRecipe, OFF, toRecipe, unknownFields } from "./recipe";
import type { Field, Shape, Variant, VariantsShape } from "./shapes";

/** Fields that are shown at once. All others, also those that the page has never heard of, are in groups below. */
const SHOWN_FIRST = new Set([
  "name",
  "dataset",
  "architecture",
  "norm",
  "dropout",
  "augmentation",
  "regularizer",
  "objective",
  "early_stopping",
]);
/** An ingredient with at most this many fields shows all of them at once. */
const FEW_FIELDS = 3;

export function RecipeFields({ shape }: { shape: VariantsShape }) {
  const fields = shape.variants[0]?.fields ?? [];
  const first = fields.filter((each) => SHOWN_FIRST.has(each.name));
  const others = fields.filter((each) => !SHOWN_FIRST.has(each.name));
  const families = others.filter((each) => isFamily(each.shape));
  return (
    <div class="recipe-fields">
      {first.map((field) => (
        <section class="card family" key={field.name}>
          <FieldRow field={field} path={[field.name]} />
        </section>
      ))}
      {families.map((field) => (
        <Group key={field.name} title={spellOut(field.name)} fields={[field]} path={[]} saysDefaults />
      ))}
      <Group
        title="Settings of the run"
        fields={others.filter((each) => !isFamily(each.shape))}
        path={[]}
        saysDefaults
      />
      {shape.variants[0] && <UnknownFields variant={shape.variants[0]} path={[]} />}
    </div>
  );
}

function isFamily(shape: Shape): boolean {
  return shape.kind === "variants" || (shape.kind === "list" && shape.item.kind === "variants");
}

interface GroupProps {
  title: string;
  path: Path;
  fields: readonly Field[];
  /** Whether the title also says what is a default. */
  saysDefaults?: boolean;
  isOpen?: boolean;
}

/** A collapsed group whose title says what is set in it. */
function Group({ title, path, fields, saysDefaults = false, isOpen = false }: GroupProps) {
  const { problems } = useForm();
  const said = useAt(path, (value) => summary(fields, value, saysDefaults));
  const isWrong = useComputed(() =>
    [...problems.value.keys()].some((pointer) =>
      fields.some((field) => `${pointer}/`.startsWith(`${pointerOf([...path, field.name])}/`)),
    ),
  );
  if (fields.length === 0) return null;
  return (
    <details class={path.length === 0 ? "card group" : "group"} open={isOpen}>
      <summary>
        <span class="group-title">{title}</span>
        {isWrong.value && <span class="wrong">has a problem </span>}
        <span class="quiet group-said">{said}</span>
      </summary>
      {fields.map((field) => (
        <FieldRow key={field.name} field={field} path={[...path, field.name]} />
      ))}
    </details>
  );
}

const LONGEST_SUMMARY = 40;

/** Returns what fields are set to, in short; of those that have their defaults only the names. */
function summary(fields: readonly Field[], value: Json | undefined, saysDefaults: boolean): string {
  return fields
    .map((field) => {
      const inner = isObject(value) ? (value[field.name] ?? null) : null;
      const isSaid = saysDefaults ? !isEmpty(field, inner) : !isDefault(field, inner);
      return [
        fields.length > 1 || !saysDefaults ? spellOut(field.name) : "",
        isSaid ? inShort(field, inner) : "",
      ];
    })
    .map((parts) => parts.filter((each) => each !== "").join(" "))
    .join(", ");
}

function isDefault(field: Field, value: Json): boolean {
  return !field.required && isEqual(value, fromRecipe(field.default, field.shape));
}

/** Whether a field says nothing: it is not set, or there is nothing to choose. */
function isEmpty({ shape }: Field, value: Json): boolean {
  const isFixed = shape.kind === "choice" && shape.values.length === 1;
  return value === null || isFixed || isEqual(value, {});
}

function inShort(field: Field, value: Json): string {
  const short = toRecipe(value, field.shape);
  if (isList(short) && short.length === 0) return OFF;
  const text = typeof short === "string" ? spellOut(short) : printJson(short).replace(/\s+/g, " ");
  return text.length > LONGEST_SUMMARY ? `${text.slice(0, LONGEST_SUMMARY - 1)}…` : text;
}

/** Kinds whose control is one element, to which a label can point. */
const LABELLED = new Set<Shape["kind"]>(["number", "numbers", "text", "json"]);

export function FieldRow({ field, path }: { field: Field; path: Path }) {
  const label = spellOut(field.name);
  const { shape } = field;
  const isChanged = useAt(path, (value) => !field.required && !isDefault(field, value ?? null));
  const isTop = path.length === 1 && isFamily(shape);
  const title = LABELLED.has(shape.kind) ? <label for={idOf(path)}>{label}</label> : <span>{label}</span>;
  return (
    <div class={isChanged ? "field changed" : "field"}>
      <div class="field-title">
        {isTop ? <h2>{label}</h2> : title}
        {!(isTop && !field.description) && (
          <FieldHelp field={field} label={label} path={pointerOf(path).slice(1).replaceAll("/", ".")} />
        )}
      </div>
      <Control shape={shape} path={path} label={label} usual={field.default} />
      <ProblemLine path={path} />
    </div>
  );
}

function ProblemLine({ path }: { path: Path }) {
  const problem = useProblems(path);
  return problem ? (
    <p class="problem" id={`${idOf(path)}-problem`}>
      {problem}
    </p>
  ) : null;
}

function Control(props: ControlProps) {
  const { shape } = props;
  switch (shape.kind) {
    case "number":
      return <NumberControl {...props} shape={shape} />;
    case "numbers":
      return <NumbersControl {...props} />;
    case "text":
      return <TextControl {...props} shape={shape} />;
    case "boolean":
      return <BooleanControl {...props} />;
    case "choice":
      return <ChoiceControl {...props} shape={shape} />;
    case "labels":
      return <LabelsControl {...props} />;
    case "optional":
      return <OptionalControl {...props} shape={shape} />;
    case "either":
      return <EitherControl {...props} shape={shape} />;
    case "list":
      return <ListControl {...props} shape={shape} />;
    case "variants":
      return <VariantsControl {...props} shape={shape} />;
    case "json":
      return <JsonControl path={props.path} />;
  }
}

/** A switch; the part appears when it is on. */
function OptionalControl({ path, shape, label, usual }: ControlProps<Shape & { kind: "optional" }>) {
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

function EitherControl({ path, shape, label, usual }: ControlProps<Shape & { kind: "either" }>) {
  const { draft } = useForm();
  const value = useAt(path, (value) => value ?? null);
  const constant = shape.values.find((each) => isEqual(each, value));
  const inner = shape.inner.findIndex((each) => fits(each, value));
  const open = shape.inner[inner === -1 ? 0 : inner];
  return (
    <div class="either" id={constant === undefined ? undefined : idOf(path)}>
      <Options
        id={`${idOf(path)}-kind`}
        label={`Kind of ${label}`}
        options={[
          ...shape.inner.map((each, index) => ({ key: `inner${index}`, name: each.kind })),
          ...shape.values.map((each) => ({ key: JSON.stringify(each), name: constantName(each) })),
        ]}
        chosen={constant === undefined ? `inner${Math.max(inner, 0)}` : JSON.stringify(constant)}
        onChoose={(key) => {
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

function VariantsControl({ path, shape, label }: ControlProps<VariantsShape>) {
  const { draft } = useForm();
  const type = useAt(path, typeOf);
  const hasTypes = shape.variants[0]?.type !== null;
  const names = shape.variants.map((each) => String(each.type));
  const offered = type === null || names.includes(type) ? names : [...names, type];
  return (
    <fieldset class="variants" id={hasTypes ? undefined : idOf(path)} aria-label={label}>
      {hasTypes && (
        <Options
          id={idOf(path)}
          label={label}
          options={offered.map((each) => ({ key: each, name: spellOut(each) }))}
          chosen={type ?? ""}
          onChoose={(chosen) => draft.choose(path, chosen, shape)}
        />
      )}
      <VariantBody key={type} path={path} shape={shape} label={label} />
    </fieldset>
  );
}

function typeOf(value: Json | undefined): string | null {
  return isObject(value) && typeof value.type === "string" ? value.type : null;
}

/** The fields of the present variant. */
function VariantBody({ path, shape, label }: { path: Path; shape: VariantsShape; label: string }) {
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
  if (!variant || !isKnown) return <JsonControl path={path} />;
  const name = variant.type === null ? label : spellOut(variant.type);
  const isFew = variant.fields.length <= FEW_FIELDS;
  const isFirst = (field: Field) => isFew || field.required || field.name === variant.main;
  const others = variant.fields.filter((field) => !isFirst(field));
  return (
    <div class="variant">
      {variant.sentence && variant.type !== OFF && (
        <div class="sentence">
          <p class="quiet">
            <Prose text={variant.sentence} />
          </p>
          <VariantHelp variant={variant} label={name} />
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
function UnknownFields({ variant, path }: { variant: Variant; path: Path }) {
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
          <JsonControl path={[...path, name]} />
          <ProblemLine path={[...path, name]} />
        </div>
      ))}
    </>
  );
}

/** A list: items can be added, removed and moved. */
function ListControl({ path, shape, label }: ControlProps<Shape & { kind: "list" }>) {
  const { draft } = useForm();
  const length = useAt(path, (value) => (isList(value) ? value.length : -1));
  const change = (make: (items: readonly Json[]) => readonly Json[], focus: string) => {
    draft.change(path, make);
    // After the list has been drawn again.
    setTimeout(() => focusField(focus));
  };
  if (length === -1) return <JsonControl path={path} />;
  const place = pointerOf(path);
  return (
    <fieldset class="rows" aria-label={label} id={idOf(path)}>
      {Array.from({ length }, (_, index) => (
        <ListItem
          key={index}
          path={[...path, index]}
          shape={shape.item}
          label={`${label} ${index + 1}`}
          length={length}
          onMove={(by) =>
            change(
              (items) => swap(items, index, index + by),
              `${place}/${index + by}-${by < 0 ? "up" : "down"}`,
            )
          }
          onRemove={() => change((items) => items.toSpliced(index, 1), `${place}-add`)}
        />
      ))}
      <AddItem
        id={`${idOf(path)}-add`}
        label={label}
        shape={shape.item}
        onAdd={(item) => change((items) => [...items, item], `${place}/${length}-item`)}
      />
    </fieldset>
  );
}

function swap(items: readonly Json[], one: number, other: number): readonly Json[] {
  return items.with(one, items[other] ?? null).with(other, items[one] ?? null);
}

interface ItemProps {
  path: Path;
  shape: Shape;
  label: string;
  length: number;
  onMove: (by: -1 | 1) => void;
  onRemove: () => void;
}

function ListItem({ path, shape, label, length, onMove, onRemove }: ItemProps) {
  const index = Number(path.at(-1));
  const type = useAt(path, typeOf);
  const id = idOf(path);
  return (
    <fieldset class="item" aria-label={label} id={shape.kind === "variants" ? id : undefined}>
      <div class="item-title">
        <strong>{type ? spellOut(type) : label}</strong>
        {length > 1 && (
          <>
            <button
              type="button"
              id={`${id}-up`}
              aria-label={`Move ${label} up`}
              aria-disabled={index === 0}
              onClick={() => index > 0 && onMove(-1)}
            >
              ↑
            </button>
            <button
              type="button"
              id={`${id}-down`}
              aria-label={`Move ${label} down`}
              aria-disabled={index === length - 1}
              onClick={() => index < length - 1 && onMove(1)}
            >
              ↓
            </button>
          </>
        )}
        <button type="button" aria-label={`Remove ${label}`} onClick={onRemove}>
          Remove
        </button>
      </div>
      <ProblemLine path={path} />
      <div id={`${id}-item`}>
        {shape.kind === "variants" ? (
          <VariantBody key={type} path={path} shape={shape} label={label} />
        ) : (
          <Control shape={shape} path={path} label={label} usual={null} />
        )}
      </div>
    </fieldset>
  );
}

function AddItem(props: { id: string; label: string; shape: Shape; onAdd: (item: Json) => void }) {
  const { id, label, shape, onAdd } = props;
  const types = shape.kind === "variants" ? shape.variants.flatMap((each) => each.type ?? []) : [];
  const offered = types.filter((each) => each !== OFF);
  const [chosen, setChosen] = useState(offered[0] ?? "");
  const add = () => onAdd(chosen ? fromRecipe({ type: chosen }, shape) : firstValue(shape, undefined));
  return (
    <div class="row">
      {offered.length > 1 && (
        <select
          aria-label={`Kind of ${label} to add`}
          value={chosen}
          onChange={(event) => setChosen(event.currentTarget.value)}
        >
          {offered.map((each) => (
            <option key={each} value={each}>
              {spellOut(each)}
            </option>
          ))}
        </select>
      )}
      <button type="button" id={id} aria-label={`Add ${label}`} onClick={add}>
        Add
      </button>
    </div>
  );
}
