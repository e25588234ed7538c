import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { navigate } from "../../address";
import { get } from "../../api/http";
import { count } from "../../format";
import { isObject, type Json } from "../../json";
import { Failure } from "../../parts/failure";
import { bodiesOf } from "../../print";
import { browserStore } from "../../store";
import { AskButton } from "../experiments/ask";
import type { Check } from "./check";
import { focusField, useForm } from "./context";
import { Keys, SEEDS, Submission } from "./submission";

const KEYS = new Keys(browserStore("submission"));

export function Submit(props: {
  seeds: readonly number[] | null;
  onSeeds: (seeds: readonly number[] | null) => void;
}) {
  const { seeds, onSeeds } = props;
  const { draft, check } = useForm();
  const submission = useMemo(() => new Submission(KEYS), []);
  const hasWorker = useWorkers(check);
  const submit = async () => {
    const ids = await submission.send(bodiesOf(draft.recipe.value, seeds));
    if (ids?.length === 1) navigate({ page: "run", id: ids[0] ?? "" });
    else if (ids) navigate({ page: "compare", runs: ids });
    // The problems of a refused recipe are shown at its fields.
    else if (submission.error.value?.status === 422) {
      check.error.value = submission.error.value;
      focusField(draft.placeOf(submission.error.value.problem?.errors?.[0]?.pointer ?? ""));
    }
  };
  const refused = check.error.value?.problem?.errors?.length ?? 0;
  const error = submission.error.value;
  return (
    <section class="card submit" id="train" aria-label="Train">
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
      <AskButton
        recipe={draft.recipe.value}
        name={nameOf(draft.recipe.value)}
        label="Make an experiment of this"
      />
      {!hasWorker && <p class="warning-text">No worker is running: the run will wait until one starts.</p>}
      {refused > 0 && <p class="problem">This recipe has {count(refused, "problem")}.</p>}
      {error && error.status !== 422 && <Failure error={error} onRetry={() => void submit()} />}
    </section>
  );
}

function nameOf(recipe: Json): string | null {
  return isObject(recipe) && typeof recipe.name === "string" ? recipe.name : null;
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
