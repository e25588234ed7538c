/** An experiment with its answer, kept up to date by the events of its runs. */
import { signal } from "@preact/signals-core";
import type { RunEvent } from "../../api/events";
import { get } from "../../api/http";
import { Loader } from "../../api/loader";
import { follow } from "../../api/stream";
import type { Experiment, Results } from "../../api/types";
import { withStatus } from "./words";

/** Runs that end within this time change the answer once. */
const PAUSE_MS = 700;

export class LiveExperiment {
  readonly experiment = signal<Experiment | null>(null);
  readonly results = signal<Results | null>(null);
  readonly #loader = new Loader(() => this.#load());
  readonly error = this.#loader.error;

  constructor(readonly id: string) {}

  /** Follows the experiment until the returned function is called. */
  start(): () => void {
    const unfollow = follow(
      { all: true, type: ["deleted", "state"] },
      { load: () => this.load(), handle: (event) => this.#handle(event) },
    );
    return () => {
      unfollow();
      this.#loader.end();
    };
  }

  load(): void {
    void this.#loader.now("");
  }

  /** Shows an answer of the API that is newer than the last one. */
  take(experiment: Experiment): void {
    this.experiment.value = experiment;
    this.#loader.soon("");
  }

  /** A run that is not known may be a new one of this experiment. */
  #handle(event: RunEvent): void {
    const experiment = this.experiment.value;
    if (!experiment) return;
    const isKnown = experiment.runs.some((each) => each.run === event.run_id);
    if (event.type === "state") {
      this.experiment.value = withStatus(experiment, event.run_id, event.data.status) ?? experiment;
      if (isKnown || event.data.status === "queued") this.#loader.soon("", PAUSE_MS);
    } else if (isKnown) this.#loader.soon("", PAUSE_MS);
  }

  async #load(): Promise<void> {
    const path = `v1/experiments/${encodeURIComponent(this.id)}`;
    const [experiment, results] = await Promise.all([get<Experiment>(path), get<Results>(`${path}/results`)]);
    this.experiment.value = experiment;
    this.results.value = results;
  }
}
