import { useState } from "preact/hooks";
import { type RequestFailed, send } from "../../api/http";
import type { Experiment } from "../../api/types";
import { Failure } from "../../parts/failure";
import type { LiveExperiment } from "./live_experiment";
import { changesOf } from "./words";

/** Changes with what the form shows, so that a form with other values takes the place of this one. */
export function settingsOf({ name, priority, max_running }: Experiment): string {
  return JSON.stringify([name, priority, max_running]);
}

/** The name, and how the runs that wait are taken. */
export function Settings({ live, experiment }: { live: LiveExperiment; experiment: Experiment }) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<RequestFailed | null>(null);
  const save = async (form: HTMLFormElement) => {
    const field = (name: string) => new FormData(form).get(name) as string;
    const maxRunning = field("max_running");
    const changes = changesOf(experiment, {
      name: field("name").trim() || null,
      priority: Number(field("priority")),
      max_running: maxRunning === "" ? null : Number(maxRunning),
    });
    if (Object.keys(changes).length === 0) {
      form.closest("details")?.removeAttribute("open");
      return;
    }
    setBusy(true);
    setError(null);
    try {
      live.take(await send<Experiment>("PATCH", `v1/experiments/${experiment.id}`, changes));
    } catch (failure) {
      setError(failure as RequestFailed);
    }
    setBusy(false);
  };
  return (
    <details class="settings">
      <summary>Name and priority</summary>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save(event.currentTarget);
        }}
      >
        <label>
          Name <input name="name" maxLength={200} defaultValue={experiment.name ?? ""} />
        </label>
        <label title="Runs with a higher priority are trained first.">
          Priority{" "}
          <input
            name="priority"
            type="number"
            min="-1000"
            max="1000"
            required
            defaultValue={String(experiment.priority)}
          />
        </label>
        <label>
          At most{" "}
          <input
            name="max_running"
            type="number"
            min="1"
            placeholder="any number"
            defaultValue={experiment.max_running === null ? "" : String(experiment.max_running)}
          />{" "}
          runs at the same time
        </label>
        <button type="submit" disabled={isBusy}>
          Save
        </button>
        {error && <Failure error={error} />}
      </form>
    </details>
  );
}
