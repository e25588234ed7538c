import { useState } from "preact/hooks";
import { create, type RequestFailed } from "../../api/http";
import type { Ensemble, Experiment, Results } from "../../api/types";
import { Failure } from "../../parts/failure";
import { EnsemblesTable } from "./ensembles_table";
import type { LiveExperiment } from "./live_experiment";

/** The service may take a minute, and gives the measurement up if nobody waits for it. */
const MAX_WAIT_MS = 65_000;

/** The runs of an arm as one model: what was measured so far, and a form to measure another. */
export function Ensembles(props: { live: LiveExperiment; experiment: Experiment; results: Results }) {
  const { live, experiment, results } = props;
  const arms = results.arms.filter(({ n }) => n > 1).map(({ name }) => name);
  if (arms.length === 0) return null;
  const path = `v1/experiments/${experiment.id}/ensembles`;
  const { metric, ensembles } = results;
  return (
    <section class="card">
      <h2>All runs of an arm as one model</h2>
      <p class="quiet">
        An ensemble predicts the mean of what its members predict. It is a single value, so it takes part in
        no comparison.
      </p>
      {ensembles.length > 0 && (
        <EnsemblesTable
          ensembles={ensembles}
          metric={metric}
          folderOf={({ name }) => (
            <a href={`${path}/${name}`} download aria-label={`Download ${name}`}>
              Download
            </a>
          )}
        />
      )}
      <Measure arms={arms} path={path} onMeasured={() => live.load()} />
    </section>
  );
}

function Measure(props: { arms: string[]; path: string; onMeasured: () => void }) {
  const { arms, path, onMeasured } = props;
  const [chosen, setChosen] = useState<string | null>(null);
  const [mean, setMean] = useState("arithmetic");
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<RequestFailed | null>(null);
  const measure = async () => {
    setBusy(true);
    setError(null);
    try {
      await create<Ensemble>(path, { arm: chosen ?? arms[0], mean }, { maxWaitMs: MAX_WAIT_MS });
      onMeasured();
    } catch (failure) {
      setError(failure as RequestFailed);
    }
    setBusy(false);
  };
  return (
    <form
      class="measure"
      onSubmit={(event) => {
        event.preventDefault();
        void measure();
      }}
    >
      {error && <Failure error={error} />}
      <label>
        Arm{" "}
        <select value={chosen ?? arms[0]} onChange={(event) => setChosen(event.currentTarget.value)}>
          {arms.map((arm) => (
            <option key={arm}>{arm}</option>
          ))}
        </select>
      </label>
      <label>
        Mean{" "}
        <select value={mean} onChange={(event) => setMean(event.currentTarget.value)}>
          <option>arithmetic</option>
          <option>geometric</option>
        </select>
      </label>
      <button type="submit" disabled={isBusy}>
        {isBusy ? "Measuring …" : "Measure"}
      </button>
    </form>
  );
}
