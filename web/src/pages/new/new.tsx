/** A new recipe: left the form, right what the service makes of it. */
import "./new.css";
import { computed, effect, type Signal, signal } from "@preact/signals-core";
import { useEffect, useMemo, useState } from "preact/hooks";
import { query } from "../../address";
import { get, RequestFailed } from "../../api/http";
import { Waiting } from "../../parts/waiting";
import { browserStore } from "../../store";
import { Check } from "./check";
import { type Form, showForm } from "./context";
import { BLANK, Draft, readDraft } from "./draft";
import { RecipeFields } from "./fields";
import { Head } from "./head";
import { fetchOrigin, originOf } from "./origin";
import { applyPatch } from "./patch";
import { Results } from "./results";
import { type Ingredients, recipeShape } from "./shapes";
import { Spellings } from "./spellings";
import { Submit } from "./submit";

const DRAFT = browserStore("draft");

interface Start {
  draft: Draft;
  note: string;
}

export function NewRecipe() {
  const origin = originOf(query.value);
  const [start, setStart] = useState<Start | null>(null);
  const [failure, setFailure] = useState<RequestFailed | null>(null);
  const load = () => {
    setFailure(null);
    begin().then(setStart, (error: Error) =>
      setFailure(error instanceof RequestFailed ? error : new RequestFailed(error.message, 0)),
    );
  };
  useEffect(() => {
    // Who starts again leaves the run or the study behind, but not what can be undone.
    if (start?.draft.origin === origin) return;
    setStart(null);
    load();
  }, [origin]);
  if (start) return <Editor {...start} />;
  return (
    <>
      <h1>New recipe</h1>
      <Waiting answer={start} failure={failure} load={load} lines={12} label="Loading the ingredients" />
    </>
  );
}

/** Loads the ingredients, and the draft of the last visit, or the recipe that the address names. */
async function begin(): Promise<Start> {
  const shape = recipeShape(await get<Ingredients>("v1/recipes/ingredients"));
  const wanted = originOf(query.value);
  const kept = readDraft(DRAFT);
  if (kept && (wanted === "" || kept.origin === wanted)) {
    return { draft: new Draft(shape, kept.recipe, kept.origin), note: "" };
  }
  const draft = new Draft(shape, kept?.recipe ?? BLANK, wanted);
  if (wanted === "") return { draft, note: "" };
  const { recipe, patch = [], note } = await fetchOrigin(query.value);
  // The draft of the last visit can be had back by undoing.
  draft.replace(recipe, "copy");
  draft.replace(applyPatch(draft.state.value, patch), "change that was suggested");
  return { draft, note };
}

function Editor({ draft, note }: Start) {
  const form = useMemo(() => makeForm(draft), [draft]);
  const [seeds, setSeeds] = useState<readonly number[] | null>(null);
  useEffect(() => {
    const ends = [form.check.start(), effect(() => draft.keep(DRAFT))];
    void loadSuggestions(form.suggestions);
    return () => {
      for (const end of ends) end();
    };
  }, [form]);
  return (
    <>
      <Head note={note} />
      <div class="new-recipe">
        <form onSubmit={(event) => event.preventDefault()} aria-label="Recipe">
          <RecipeFields key={draft.loads.value} shape={draft.shape} />
        </form>
        <div class="results">
          <Submit seeds={seeds} onSeeds={setSeeds} />
          <Results />
          <Spellings seeds={seeds} />
        </div>
      </div>
    </>
  );
}

function makeForm(draft: Draft): Form {
  const check = new Check(draft);
  const problems = computed(() => {
    const found = new Map<string, string[]>();
    for (const each of check.error.value?.problem?.errors ?? []) {
      const place = draft.placeOf(each.pointer ?? "");
      found.set(place, [...(found.get(place) ?? []), each.message]);
    }
    return found;
  });
  const form = { draft, check, problems, suggestions: signal(new Map()) };
  showForm(form);
  return form;
}

/** Offers the data sets of this service; without them the field takes any text. */
async function loadSuggestions(suggestions: Signal<ReadonlyMap<string, readonly string[]>>): Promise<void> {
  try {
    const { data } = await get<{ data: { id: string; card?: { id: string } | null }[] }>("v1/datasets");
    suggestions.value = new Map([["/dataset/id", data.map((each) => (each.card ?? each).id)]]);
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
  }
}
