/** The controls of single values. Each is drawn again only when its own value, or a problem at it, changes. */
import { useState } from "preact/hooks";
import { nearest } from "../../charts/scale";
import { spellOut } from "../../format";
import { isEqual, isList, type Json, type Path, pointerOf } from "../../json";
import { type Options, Radios, Select } from "../../parts/options";
import { idOf, useAt, useForm, useProblems } from "./context";
import type { NumberShape, Shape, TextShape } from "./shapes";
import { sliderStops } from "./slider";

export interface ControlProps<Kind extends Shape = Shape> {
  path: Path;
  shape: Kind;
  label: string;
  /** The default, which a slider is centred on. */
  usual: Json;
}

/** Returns the attributes that tie a control to its label and its problem. */
function useAttributes(path: Path, label: string) {
  const id = idOf(path);
  const isWrong = useProblems(path) !== "";
  const named = { id, "aria-label": label };
  return isWrong ? { ...named, "aria-invalid": true, "aria-describedby": `${id}-problem` } : named;
}

export function NumberControl({ path, shape, label, usual }: ControlProps<NumberShape>) {
  const { draft } = useForm();
  const value = useAt(path, (value) => value ?? "");
  const attributes = useAttributes(path, label);
  const stops = sliderStops(shape, typeof usual === "number" ? usual : null);
  return (
    <span class="number-control">
      {stops.length > 1 && (
        <input
          type="range"
          aria-label={`${label}, slider`}
          min={0}
          max={stops.length - 1}
          value={nearest(stops, Number(value)) ?? 0}
          aria-valuetext={String(value)}
          onInput={(event) => draft.set(path, stops[Number(event.currentTarget.value)])}
        />
      )}
      <LineInput
        {...attributes}
        text={textOf(value)}
        inputMode={shape.isInteger ? "numeric" : "decimal"}
        isSame={(text) => isEqual(readNumber(text), value)}
        onText={(text) => draft.set(path, readNumber(text))}
      />
    </span>
  );
}

/** Returns a value as a user would type it. */
function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Reads a number as it is written; a text that is no number stays a text, of which the service says what is wrong. */
export function readNumber(text: string): Json {
  const trimmed = text.trim();
  const value = Number(trimmed);
  return trimmed !== "" && Number.isFinite(value) ? value : text;
}

export function NumbersControl({ path, label }: ControlProps) {
  const { draft } = useForm();
  const value = useAt(path, (value) => value ?? []);
  const attributes = useAttributes(path, label);
  return (
    <LineInput
      {...attributes}
      text={writeNumbers(value)}
      inputMode="text"
      isSame={(text) => isEqual(readNumbers(text), value)}
      onText={(text) => draft.set(path, readNumbers(text))}
    />
  );
}

export function writeNumbers(value: Json): string {
  return isList(value) ? value.map(textOf).join(", ") : String(value);
}

/** Reads numbers with commas or spaces between them. */
export function readNumbers(text: string): Json {
  return text
    .split(/[\s,;]+/)
    .filter((each) => each !== "")
    .map(readNumber);
}

interface LineProps {
  id: string;
  text: string;
  inputMode: "text" | "numeric" | "decimal";
  /** Whether what was typed still means the present value, although it may be spelt differently (`0.50`). */
  isSame: (text: string) => boolean;
  onText: (text: string) => void;
}

function LineInput({ text, isSame, onText, ...attributes }: LineProps) {
  const [typed, setTyped] = useState(text);
  return (
    <input
      {...attributes}
      type="text"
      autocomplete="off"
      spellcheck={false}
      value={isSame(typed) ? typed : text}
      onInput={(event) => {
        setTyped(event.currentTarget.value);
        onText(event.currentTarget.value);
      }}
      onBlur={() => setTyped(text)}
    />
  );
}

export function TextControl({ path, shape, label }: ControlProps<TextShape>) {
  const { draft, suggestions } = useForm();
  const value = useAt(path, (value) => value ?? "");
  const attributes = useAttributes(path, label);
  const offered = suggestions.value.get(pointerOf(path)) ?? shape.examples;
  const [isFree, setFree] = useState(false);
  const text = textOf(value);
  const set = (given: string) => draft.set(path, given === "" && shape.isNullable ? null : given);
  if (offered.length > 0 && !isFree && (text === "" || offered.includes(text))) {
    return (
      <Select
        {...attributes}
        selected={text}
        options={[...offered.map((each) => [each, each] as const), ["", "another …"]]}
        onSelect={(chosen) => (chosen === "" ? setFree(true) : set(chosen))}
      />
    );
  }
  return (
    <input
      {...attributes}
      type="text"
      autocomplete="off"
      spellcheck={false}
      value={text}
      onInput={(event) => set(event.currentTarget.value)}
    />
  );
}

export function BooleanControl({ path, label }: ControlProps) {
  const { draft } = useForm();
  const value = useAt(path, (value) => value);
  const attributes = useAttributes(path, label);
  return (
    <label class="switch">
      <input
        {...attributes}
        type="checkbox"
        checked={value === true}
        onChange={(event) => draft.set(path, event.currentTarget.checked)}
      />
      <span aria-hidden="true">{value === true ? "on" : "off"}</span>
    </label>
  );
}

const MOST_SEGMENTS = 5;
const LONGEST_SEGMENTS = 48;

/** One of a few values: radio buttons side by side, or a list if they are many. */
export function Choice<Value extends string>({
  id,
  label,
  ...choice
}: Options<Value> & { id: string; label: string }) {
  const { options, selected } = choice;
  const letters = options.reduce((sum, [, text]) => sum + text.length, 0);
  const [only] = options;
  if (options.length === 1 && only?.[0] === selected) return <code id={id}>{only[1]}</code>;
  if (options.length > MOST_SEGMENTS || letters > LONGEST_SEGMENTS)
    return <Select id={id} aria-label={label} {...choice} />;
  return (
    <div class="segments" role="radiogroup" aria-label={label} id={id}>
      <Radios name={id} {...choice} />
    </div>
  );
}

/** Returns a constant as it is offered. */
export function constantOption(value: Json): [key: string, name: string] {
  const name = typeof value === "string" ? spellOut(value) : String(value);
  return [JSON.stringify(value), value === null ? "default" : name];
}

export function ChoiceControl({ path, shape, label }: ControlProps<Shape & { kind: "choice" }>) {
  const { draft } = useForm();
  const value = useAt(path, (value) => value);
  const { values } = shape;
  const isKnown = values.some((each) => isEqual(each, value));
  const offered = isKnown || value === undefined ? values : [...values, value];
  return (
    <Choice
      id={idOf(path)}
      label={label}
      options={offered.map(constantOption)}
      selected={JSON.stringify(value)}
      onSelect={(key) => draft.set(path, JSON.parse(key) as Json)}
    />
  );
}

/** A value that the page has no control for, as JSON. */
export function JsonControl({ path, label }: { path: Path; label: string }) {
  const { draft } = useForm();
  const value = useAt(path, (value) => value ?? null);
  const attributes = useAttributes(path, label);
  const [typed, setTyped] = useState<string | null>(null);
  return (
    <textarea
      {...attributes}
      rows={2}
      value={typed ?? JSON.stringify(value)}
      onInput={(event) => {
        setTyped(event.currentTarget.value);
        draft.set(path, readJson(event.currentTarget.value));
      }}
      onBlur={() => setTyped(null)}
    />
  );
}

function readJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // The service says what is wrong with the text.
    return text;
  }
}
