import { useState } from "preact/hooks";
import { addressOf } from "../../address";
import { create, type RequestFailed } from "../../api/http";
import { count } from "../../format";
import { Failure } from "../../parts/failure";
import type { Study } from "./study";

/** Submits all recipes of a study with all its seeds, so that its table can be made again on this machine. */
export function RunAll({ study }: { study: Study }) {
  const [submitted, setSubmitted] = useState<number | null>(null);
  const [failure, setFailure] = useState<RequestFailed | null>(null);
  const ready = study.recipes.filter((each) => each.builds_on.length === 0);
  const total = ready.length * study.seeds;
  const run = async () => {
    setFailure(null);
    setSubmitted(0);
    try {
      for (const recipe of recipesOf(study, ready)) {
        await create("v1/runs", recipe);
        setSubmitted((before) => (before ?? 0) + 1);
      }
    } catch (error) {
      setFailure(error as RequestFailed);
    }
  };
  if (failure) return <Failure error={failure} />;
  if (submitted === null) {
    return (
      <button type="button" onClick={() => void run()} disabled={total === 0}>
        Run {ready.length === study.recipes.length ? "all" : "those that need no other run"} with{" "}
        {count(study.seeds, "seed")}: {count(total, "run")}
      </button>
    );
  }
  return (
    <p role="status">
      {submitted} of {count(total, "run")} submitted.{" "}
      <a href={addressOf({ label: `study:${study.name}` })}>Show them</a>
    </p>
  );
}

function* recipesOf(study: Study, recipes: Study["recipes"]): Generator<Record<string, unknown>> {
  for (let seed = 0; seed < study.seeds; seed++) {
    for (const { recipe } of recipes) yield { ...recipe, seed, labels: { study: study.name } };
  }
}
