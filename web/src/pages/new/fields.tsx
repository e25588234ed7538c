/** The form: its fields and groups of fields, drawn from their shapes. */
import type { ComponentType } from "preact";
import { shorten, spellOut } from "../../format";
import { isEqual, isList, isObject, type Json, type Path, pointerOf } from "../../json";
import { printJson } from "../../print";
import { useComputed } from "../../watch";
import { EitherControl, OptionalControl } from "./alternatives";
import { idOf, useAt, useForm, useProblems } from "./context";
import {
  BooleanControl,
  ChoiceControl,
  type ControlProps,
  JsonControl,
  NumberControl,
  NumbersControl,
  TextControl,
} from "./controls";
import { FieldHelp } from "./help";
import { UnknownFields, VariantsControl } from "./ingredients";
import { LabelsControl } from "./labels";
import { ListControl } from "./lists";
import { fromRecipe, OFF, toRecipe } from "./recipe";
import type { Field, Shape, VariantsShape } from "./shapes";

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
export function Group({ title, path, fields, saysDefaults = false, isOpen = false }: GroupProps) {
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

export function isDefault(field: Field, value: Json): boolean {
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
  const text =
    typeof short === "string" ? spellOut(short) : printJson(short).replace(/["[\]]|\s+(?=\s)/g, "");
  return shorten(text, LONGEST_SUMMARY);
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

export function ProblemLine({ path }: { path: Path }) {
  const problem = useProblems(path);
  return problem ? (
    <p class="problem" id={`${idOf(path)}-problem`}>
      {problem}
    </p>
  ) : null;
}

export function Control(props: ControlProps) {
  const View = {
    number: NumberControl,
    numbers: NumbersControl,
    text: TextControl,
    boolean: BooleanControl,
    choice: ChoiceControl,
    labels: LabelsControl,
    optional: OptionalControl,
    either: EitherControl,
    list: ListControl,
    variants: VariantsControl,
    json: JsonControl,
  }[props.shape.kind] as ComponentType<ControlProps>;
  return <View {...props} />;
}
