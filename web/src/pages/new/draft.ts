/** The recipe that is being written. It survives a reload, and every change can be undone. */
import { computed, signal } from "@preact/signals-core";
import {
  isEqual,
  isList,
  isObject,
  type Json,
  type JsonObject,
  type Path,
  pathOf,
  placeName,
  pointerOf,
  valueAt,
  withValue,
} from "../../json";
import { printJson } from "../../print";
import { readDocument, type Store } from "../../store";
import { formPath, fromRecipe, toRecipe } from "./recipe";
import type { VariantsShape } from "./shapes";

/** What a new recipe begins with; every other field has a default. */
export const BLANK: JsonObject = { dataset: "digits", architecture: "mlp" };
/** Grows if older drafts cannot be read any more. */
const VERSION = 1;
const MOST_UNDO = 100;

interface Past {
  state: Json;
  /** What the change after it was, for the button. */
  change: string;
}

export class Draft {
  /** The form's state: the complete recipe. */
  readonly state;
  /** The recipe as it is shown and sent. */
  readonly recipe = computed(() => toRecipe(this.state.value, this.shape));
  readonly text = computed(() => printJson(this.recipe.value));
  readonly past = signal<readonly Past[]>([]);
  /** How often another recipe was loaded. */
  readonly loads = signal(0);
  /** Whether the browser keeps the draft; some forbid it, and a storage may be full. */
  readonly isKept = signal(true);
  /** What was set in the other variants of a place, for the way back. */
  readonly #left = new Map<string, Json>();
  /** The place that was edited last: the letters of one word are one change. */
  #edited: string | null = null;

  constructor(
    readonly shape: VariantsShape,
    recipe: Json,
    /** The part of the address from which the recipe came, such as `from=run_…`. */
    public origin: string,
  ) {
    this.state = signal(fromRecipe(recipe, shape));
  }

  /** Sets the value at a place; `undefined` removes it. */
  set(path: Path, value: Json | undefined): void {
    const place = pointerOf(path);
    const isSame = this.#edited === place;
    if (!isSame) this.#remember(`change of ${placeName(place)}`);
    this.#edited = place;
    this.state.value = withValue(this.state.value, path, value);
  }

  /** Changes the list at a place. */
  change(path: Path, make: (items: readonly Json[]) => readonly Json[]): void {
    const items = valueAt(this.state.value, path);
    this.#edited = null;
    this.set(path, make(isList(items) ? items : []));
    this.#edited = null;
  }

  /** Chooses another variant at a place. What was set in the one before comes back with it. */
  choose(path: Path, type: string, shape: VariantsShape): void {
    const place = pointerOf(path);
    const before = valueAt(this.state.value, path);
    if (isObject(before)) this.#left.set(`${place} ${String(before.type)}`, before);
    this.set(path, this.#left.get(`${place} ${type}`) ?? fromRecipe({ type }, shape));
  }

  /** Replaces the whole recipe. */
  replace(recipe: Json, change: string): void {
    const state = fromRecipe(recipe, this.shape);
    if (isEqual(state, this.state.value)) return;
    this.#remember(change);
    this.state.value = state;
  }

  /** Returns the pointer of the control to mend for a place in the recipe, as a problem names it. */
  placeOf(pointer: string): string {
    return pointerOf(formPath(this.shape, this.recipe.peek(), pathOf(pointer)));
  }

  /** Replaces the whole recipe by another one, which the form shows anew. */
  load(recipe: Json, change: string, origin: string = this.origin): void {
    this.origin = origin;
    this.replace(recipe, change);
    this.loads.value += 1;
  }

  undo(): void {
    const last = this.past.value.at(-1);
    if (!last) return;
    this.past.value = this.past.value.slice(0, -1);
    this.#edited = null;
    this.state.value = last.state;
  }

  /** Keeps the draft for the next visit. */
  keep(store: Store): void {
    const draft = { version: VERSION, origin: this.origin, recipe: this.recipe.value };
    this.isKept.value = store.write(JSON.stringify(draft));
  }

  #remember(change: string): void {
    this.#edited = null;
    this.past.value = [...this.past.value, { state: this.state.value, change }].slice(-MOST_UNDO);
  }
}

/** Returns the draft of the last visit, or null if there is none that can be read. */
export function readDraft(store: Store): { recipe: Json; origin: string } | null {
  const kept = readDocument(store);
  if (!isObject(kept) || kept.version !== VERSION || !isObject(kept.recipe)) return null;
  return { recipe: kept.recipe, origin: String(kept.origin) };
}

/** Reads a recipe from a pasted text or a file. Throws an Error with the sentence to show. */
export function readRecipe(text: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    throw new Error(`This is not JSON: ${(error as Error).message}`);
  }
  if (isObject(value)) return value;
  throw new Error('A recipe is a JSON object, such as {"dataset": "digits", "architecture": "mlp"}.');
}
