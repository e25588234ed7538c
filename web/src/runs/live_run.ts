/** A run with its curves, kept up to date by the events of the stream. */
import { computed, signal } from "@preact/signals-core";
import type { LogEvent, RunEvent } from "../api/events";
import { get, type RequestFailed } from "../api/http";
import { Loader } from "../api/loader";
import { follow } from "../api/stream";
import type { Run } from "../api/types";
import {
  addDiagnostic,
  addRow,
  type Columns,
  type Diagnostics,
  gather,
  mergeColumns,
  mergeDiagnostics,
  numbersOf,
} from "./columns";
import { addEpoch, joinAnswer } from "./progress";
import { isOver } from "./status";

interface Metrics {
  epochs: Columns;
  steps: Columns;
  diagnostics: Diagnostics;
}

/** More points than this cannot be seen on a screen; the service keeps the extremes of what it leaves out. */
const STEP_POINTS = 2000;
/** The curves of a run that is watched for long are loaded again, thinned, when they have grown to this. */
const MOST_STEP_POINTS = 2 * STEP_POINTS;
/** The run is loaded after the end of an epoch, for its remaining time, but not more often than this. */
const REFRESH_MS = 2000;

export class LiveRun {
  readonly run = signal<Run | null>(null);
  /** Why the run cannot be shown. A service that is away for a moment is no reason once there is something to show. */
  readonly error = computed(() => {
    const error = this.#loader.error.value;
    return error?.isFinal || !this.run.value ? error : null;
  });
  /** Grows when `epochs`, `steps` or `diagnostics` have changed, at most once a frame. */
  readonly version = signal(0);
  epochs: Columns = {};
  /** Thinned; `run.progress.step` says how many there are. */
  steps: Columns = {};
  diagnostics: Diagnostics = {};

  readonly #announceChange = gather(
    () => this.#show(),
    () => this.epochs.epoch?.length ?? 0,
  );
  #lastSeq: number | null = null;
  readonly #listeners = new Set<(event: LogEvent) => void>();
  #unfollow: () => void = () => undefined;
  /** The parts are the run, and all with its curves. */
  readonly #loader = new Loader<"run" | "all">((parts) => this.#load(parts));

  constructor(readonly id: string) {}

  /** Loads the run and follows it, also when it is over: it may be deleted. Returns what ends that. */
  start(): () => void {
    const follower = { load: () => void this.load(), handle: (event: RunEvent) => this.handle(event) };
    this.#unfollow = follow({ run: [this.id] }, follower);
    const lookAgain = () => {
      // No event says that a run which is over has been verified by another.
      if (!this.error.value) this.refresh();
    };
    window.addEventListener("focus", lookAgain);
    return () => {
      window.removeEventListener("focus", lookAgain);
      this.#unfollow();
      this.#loader.end();
    };
  }

  /** Calls a function with each event. Returns what ends that. */
  listen(handle: (event: LogEvent) => void): () => void {
    this.#listeners.add(handle);
    return () => this.#listeners.delete(handle);
  }

  /** Loads the run and its curves, and keeps the rows that events have added in the meantime. */
  load(): Promise<void> {
    return this.#loader.now("all");
  }

  /** Loads the run without its curves. */
  refresh(): void {
    void this.#loader.now("run");
  }

  /** Takes an event in. The run itself is fetched again when its state changes, because an event has only a part of it. */
  handle(event: RunEvent): void {
    if (event.type === "deleted") {
      this.refresh();
      return;
    }
    // Events of a run are numbered without gaps.
    const isMissed = this.#lastSeq !== null && event.seq > this.#lastSeq + 1;
    if (this.#lastSeq !== null && event.seq <= this.#lastSeq) return;
    this.#lastSeq = event.seq;
    for (const handle of this.#listeners) handle(event);
    if (isMissed) void this.load();
    if (event.type === "step" && addRow(this.steps, "step", numbersOf(event.data))) {
      if ((this.steps.step?.length ?? 0) > MOST_STEP_POINTS) void this.load();
      this.#announceChange();
    }
    if (event.type === "epoch" && addRow(this.epochs, "epoch", numbersOf(event.data))) {
      if (this.run.value) this.run.value = addEpoch(this.run.value, event.data);
      this.#announceChange();
      // For its remaining time.
      this.#loader.soon("run", REFRESH_MS);
    }
    if (event.type === "diagnostic" && addDiagnostic(this.diagnostics, event.data)) this.#announceChange();
    if (event.type === "state" || event.type === "checkpoint" || event.type === "end") this.refresh();
  }

  /** Shows a run that a request has answered. */
  take(run: Run): void {
    const shown = this.run.value;
    // Answers may arrive in another order than they were made.
    if (shown && shown.updated_at > run.updated_at) return;
    this.run.value = joinAnswer(run, shown);
  }

  async #load(parts: ReadonlySet<string>): Promise<void> {
    try {
      if (parts.has("all")) await this.#loadAll();
      else this.take(await get<Run>(`v1/runs/${this.id}`));
    } catch (error) {
      // The service follows no run that does not exist.
      if ((error as RequestFailed).isFinal) this.#unfollow();
      throw error;
    }
  }

  async #loadAll(): Promise<void> {
    // The answers come from a moment after this; the first event that follows may have any number.
    this.#lastSeq = null;
    // First the run: if it is over, the curves that are asked for afterwards are complete.
    const run = await get<Run>(`v1/runs/${this.id}`);
    const metrics = await get<Metrics>(`v1/runs/${this.id}/metrics`, { max_points: STEP_POINTS });
    this.diagnostics = mergeDiagnostics(metrics.diagnostics, this.diagnostics);
    this.epochs = mergeColumns(metrics.epochs, "epoch", this.epochs);
    this.steps = mergeColumns(metrics.steps, "step", this.steps);
    this.take(run);
    this.#announceChange();
  }

  /** Shows how far the run has come, together with the points that were added. */
  #show(): void {
    const run = this.run.value;
    const step = this.steps.step?.at(-1) ?? 0;
    if (run && !isOver(run.status) && step > run.progress.step)
      this.run.value = { ...run, progress: { ...run.progress, step } };
    this.version.value += 1;
  }
}
