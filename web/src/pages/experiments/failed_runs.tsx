import { useState } from "preact/hooks";
import { addressOf } from "../../address";
import { create, type RequestFailed } from "../../api/http";
import type { Results, Run } from "../../api/types";
import { count, sentence } from "../../format";
import { Failure } from "../../parts/failure";
import type { LiveExperiment } from "./live_experiment";
import { placeOf } from "./words";

/** The runs that are over without a value. A new one can take the place of each that has not succeeded. */
export function FailedRuns({ live, results }: { live: LiveExperiment; results: Results }) {
  const [error, setError] = useState<RequestFailed | null>(null);
  const [busy, setBusy] = useState<string | null>(null);
  const failed = results.arms.flatMap((arm) => arm.failed.map((run) => ({ ...run, arm: arm.name })));
  if (failed.length === 0) return null;
  const retry = async (id: string) => {
    setBusy(id);
    setError(null);
    try {
      await create<Run>(`v1/runs/${id}/retry`, undefined);
    } catch (failure) {
      setError(failure as RequestFailed);
    }
    setBusy(null);
    live.load();
  };
  return (
    <section class="card">
      <h2>{count(failed.length, "run")} without a value</h2>
      {error && <Failure error={error} />}
      <ul class="failed-runs">
        {failed.map((each) => {
          // The run that is named instead is that of another row, or it has succeeded.
          const isCreated = each.code !== "not_created";
          const place = `${each.arm}, seed ${placeOf({ seed: each.seed, fold: each.fold ?? null })}`;
          return (
            <li key={place}>
              <span>
                {isCreated ? (
                  <a href={addressOf({ page: "run", id: each.run })}>
                    <bdi>{place}</bdi>
                  </a>
                ) : (
                  <bdi>{place}</bdi>
                )}
                : {sentence(each.message)}
              </span>
              {isCreated && each.code !== "no_value" && (
                <button
                  type="button"
                  disabled={busy !== null}
                  aria-label={`Retry ${place}`}
                  onClick={() => void retry(each.run)}
                >
                  Retry
                </button>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
