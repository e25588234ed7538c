/** A new recipe: left the form, right what the service makes of it. */
import "./new.css";
import { computed, effect, type Signal, signal, useComputed } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { changeView, navigate, query } from "../../address";
import { get, RequestFailed } from "../../api/http";
import { count } from "../../format";
import { Failure } from "../../parts/failure";
import { Skeleton } from "../../parts/skeleton";
import { Check } from "./check";
import { type Form, FormContext } from "./context";
import { BLANK, Draft, readDraft } from "./draft";
import { RecipeFields } from "./fields";
import { Import } from "./import";
import { fetchOrigin, originOf } from "./origin";
import { Results } from "./results";
import { type Ingredients, recipeShape } from "./shapes";
import { Spellings } from "./spellings";
import { browserStore } from "./store";
import { bodiesOf, Keys, SEEDS, Submission } from "./submission";

const DRAFT = browserStore("draft");
const KEYS = new Keys(browserStore("submission"));

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
    setStart(null);
    load();
  }, [origin]);
  if (failure) {
    return (
      <>
        <h1>New recipe</h1>
        <Failure error={failure} onRetry={load} />
      </>
    );
  }
  return start ? <Editor key={origin} {...start} /> : <Loading />;
}

function Loading() {
  return (
    <>
      <h1>New recipe</h1>
      <Skeleton lines={12} label="Loading the ingredients" />
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
  const { recipe, note } = await fetchOrigin(query.value);
  // The draft of the last visit can be had back by undoing.
  draft.replace(recipe, "copy");
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
    <FormContext.Provider value={form}>
      <Head draft={draft} note={note} />
      <div class="new-recipe">
        <form onSubmit={(event) => event.preventDefault()} aria-label="Recipe">
          <RecipeFields key={draft.loads.value} shape={draft.shape} />
        </form>
        <div class="results">
          <Submit form={form} seeds={seeds} onSeeds={setSeeds} />
          <Results />
          <Spellings seeds={seeds} />
        </div>
      </div>
    </FormContext.Provider>
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
  return { draft, check, problems, suggestions: signal(new Map()) };
}

/** Offers the data sets of this service; without them the field takes any text. */
async function loadSuggestions(suggestions: Signal<ReadonlyMap<string, readonly string[]>>): Promise<void> {
  try {
    const { data } = await get<{ data: { id: string }[] }>("v1/datasets");
    suggestions.value = new Map([["/dataset/id", data.map((each) => each.id)]]);
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
  }
}

function Head({ draft, note }: Start) {
  const [isImporting, setImporting] = useState(false);
  const [said, setSaid] = useState("");
  const last = draft.past.value.at(-1);
  const restart = () => {
    draft.load(BLANK, "start again", "");
    changeView({ from: null, patch: null, advice: null, cookbook: null });
    setSaid("Started again. Undo brings the draft back.");
  };
  return (
    <>
      <div class="heading">
        <h1>New recipe</h1>
        <div class="buttons">
          <button type="button" aria-expanded={isImporting} onClick={() => setImporting(!isImporting)}>
            Import
          </button>
          <button
            type="button"
            disabled={!last}
            title={last ? `Undo: ${last.change}` : undefined}
            onClick={() => draft.undo()}
          >
            Undo
          </button>
          <button type="button" onClick={restart}>
            Start again
          </button>
        </div>
      </div>
      {isImporting && (
        <Import
          onDone={(text) => {
            setImporting(false);
            setSaid(text);
          }}
        />
      )}
      {note && <p class="notice">{note}</p>}
      {!draft.isKept.value && (
        <p class="notice warning">
          This browser keeps no drafts: what you write here is gone when you leave the page.
        </p>
      )}
      <p role="status" class={said ? "quiet" : "visually-hidden"}>
        {said}
      </p>
    </>
  );
}

function Submit(props: {
  form: Form;
  seeds: readonly number[] | null;
  onSeeds: (seeds: readonly number[] | null) => void;
}) {
  const { form, seeds, onSeeds } = props;
  const { draft, check } = form;
  const submission = useMemo(() => new Submission(KEYS), [form]);
  const hasWorker = useWorkers(check);
  const submit = async () => {
    const ids = await submission.send(bodiesOf(draft.recipe.value, seeds));
    if (ids?.length === 1) navigate({ page: "run", id: ids[0] ?? "" });
    else if (ids) navigate({ page: "compare", runs: ids });
    // The problems of a refused recipe are shown at its fields.
    else if (submission.error.value?.status === 422) check.error.value = submission.error.value;
  };
  const refused = useComputed(() => check.error.value?.problem?.errors?.length ?? 0).value;
  const error = submission.error.value;
  return (
    <section class="card submit" aria-label="Train">
      <button
        type="button"
        class="primary"
        aria-disabled={submission.isSending.value}
        onClick={() => void submit()}
      >
        {submission.isSending.value
          ? "Sending …"
          : seeds
            ? `Train with ${count(seeds.length, "seed")}`
            : "Train"}
      </button>
      <label class="switch">
        <input type="checkbox" checked={seeds !== null} onChange={() => onSeeds(seeds ? null : SEEDS)} />
        <span>with the seeds 0 to 4, to see how much is chance</span>
      </label>
      {!hasWorker && (
        <p class="warning-text">No worker is running: the run will wait in the queue until one starts.</p>
      )}
      {refused > 0 && <p class="problem">This recipe has {count(refused, "problem")}.</p>}
      {error && error.status !== 422 && <Failure error={error} onRetry={() => void submit()} />}
    </section>
  );
}

/** Returns whether a worker is there; asks again whenever the recipe is checked, as long as there is none. */
function useWorkers(check: Check): boolean {
  const [hasWorker, setHasWorker] = useState(true);
  const isKnown = useRef(false);
  const preview = check.preview.value;
  useEffect(() => {
    if (isKnown.current) return;
    const note = ({ data }: { data: unknown[] }) => {
      isKnown.current = data.length > 0;
      setHasWorker(isKnown.current);
    };
    // If the service is away, the check says so.
    get<{ data: unknown[] }>("v1/workers").then(note, () => undefined);
  }, [preview]);
  return hasWorker;
}
