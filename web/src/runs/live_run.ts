/** A run with its curves, kept up to date by the events of the stream. */
import { effect, signal } from "@preact/signals";
import type { Numbers, RunEvent } from "../api/events";
import { get, type RequestFailed } from "../api/http";
import { connection, follow } from "../api/stream";
import type { Run } from "../api/types";
import {
  addDiagnostic,
  addRow,
  type Columns,
  type Diagnostics,
  mergeColumns,
  mergeDiagnostics,
  numbersOf,
} from "./columns";
import { isOver, monitorOf } from "./status";

interface Metrics {
  epochs: Columns;
  steps: Columns;
  diagnostics: Diagnostics;
}

/** More points than this cannot be seen on a screen; the service keeps the extremes of what it leaves out. */
const STEP_POINTS = 2000;
/** The curves of a run that is watched for long are loaded again, thinned, when they have grown to this. */
const MOST_STEP_POINTS = 2 * STEP_POINTS;
/** The run is fetched at the end of an epoch, for its remaining time, but not more often than this. */
const REFRESH_MS = 2000;
/** What could not be fetched is fetched again after this, also while the stream is live. */
const RETRY_MS = 3000;

export class LiveRun {
  readonly run = signal<Run | null>(null);
  /** Why the run cannot be shown. A service that is away for a moment is no reason once there is something to show. */
  readonly error = signal<RequestFailed | null>(null);
  /** Grows when `epochs`, `steps` or `diagnostics` have changed, at most once a frame. */
  readonly version = signal(0);
  epochs: Columns = {};
  /** Thinned; `run.progress.step` says how many there are. */
  steps: Columns = {};
  diagnostics: Diagnostics = {};

  #frame = 0;
  #lastSeq: number | null = null;
  #isLoading = false;
  /** Whether something has to be loaded that could not be, or that has changed during the loading. */
  #isStale = false;
  #refreshedAt = 0;
  readonly #listeners = new Set<(event: RunEvent) => void>();
  #present = { step: 0, epoch: 0 };
  #ends: (() => void)[] = [];
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly id: string) {}

  /** Loads the run and follows it until it is over. Returns what ends that. */
  start(): () => void {
    const follower = { load: () => void this.load(), handle: (event: RunEvent) => this.handle(event) };
    this.#ends.push(follow({ run: [this.id] }, follower));
    this.#ends.push(
      effect(() => {
        if (connection.value === "live" && this.#isStale) void this.load();
      }),
    );
    const lookAgain = () => {
      // No event says that a run which is over has been deleted, or verified by another.
      if (this.#ends.length === 0 && !document.hidden && this.error.value === null) void this.refresh();
    };
    window.addEventListener("focus", lookAgain);
    return () => {
      window.removeEventListener("focus", lookAgain);
      this.#stop();
    };
  }

  /** Calls a function with each event. Returns what ends that. */
  listen(handle: (event: RunEvent) => void): () => void {
    this.#listeners.add(handle);
    return () => this.#listeners.delete(handle);
  }

  /** Loads the run and its curves, and keeps the rows that events have added in the meantime. */
  async load(): Promise<void> {
    this.#isStale = true;
    if (this.#isLoading) return;
    this.#isLoading = true;
    try {
      while (this.#isStale) {
        this.#isStale = false;
        await this.#loadOnce();
      }
      this.error.value = null;
    } catch (error) {
      this.#fail(error as RequestFailed);
    }
    this.#isLoading = false;
  }

  /** Takes an event in. The run itself is fetched again when its state changes, because an event has only a part of it. */
  handle(event: RunEvent): void {
    // Events of a run are numbered without gaps.
    const isMissed = this.#lastSeq !== null && event.seq > this.#lastSeq + 1;
    if (this.#lastSeq !== null && event.seq <= this.#lastSeq) return;
    this.#lastSeq = event.seq;
    for (const handle of this.#listeners) handle(event);
    if (isMissed) void this.load();
    if (event.type === "step" && addRow(this.steps, "step", numbersOf(event.data)))
      this.#takeStep(event.data);
    if (event.type === "epoch" && addRow(this.epochs, "epoch", numbersOf(event.data)))
      this.#takeEpoch(event.data);
    if (event.type === "diagnostic" && addDiagnostic(this.diagnostics, event.data)) this.#announceChange();
    if (event.type === "state" || event.type === "checkpoint") void this.refresh();
    if (event.type === "end") void this.refresh().then(() => this.#stopIfOver());
  }

  /** Fetches the run without its curves. */
  async refresh(): Promise<void> {
    this.#refreshedAt = performance.now();
    try {
      this.take(await get<Run>(`v1/runs/${this.id}`));
    } catch (error) {
      this.#fail(error as RequestFailed);
    }
  }

  /** Shows a run that a request has answered. */
  take(run: Run): void {
    const shown = this.run.value;
    // Answers may arrive in another order than they were made.
    if (shown && shown.updated_at > run.updated_at) return;
    // Events may be ahead of the answer.
    const step = Math.max(run.progress.step, shown?.progress.step ?? 0);
    const epoch = Math.max(run.progress.epoch, shown?.progress.epoch ?? 0);
    this.run.value = { ...run, progress: { ...run.progress, step, epoch } };
  }

  async #loadOnce(): Promise<void> {
    // The answers come from a moment after this; the first event that follows may have any number.
    this.#lastSeq = null;
    // First the run: if it is over, the curves that are asked for afterwards are complete.
    const run = await get<Run>(`v1/runs/${this.id}`);
    const metrics = await get<Metrics>(`v1/runs/${this.id}/metrics`, { max_points: STEP_POINTS });
    this.diagnostics = mergeDiagnostics(metrics.diagnostics, this.diagnostics);
    this.epochs = mergeColumns(metrics.epochs, "epoch", this.epochs);
    this.steps = mergeColumns(metrics.steps, "step", this.steps);
    this.take(run);
    this.#stopIfOver();
    this.#announceChange();
  }

  #fail(error: RequestFailed): void {
    // What is not there, or not allowed, does not come back by itself.
    const isFinal = error.status >= 400 && error.status < 500 && error.status !== 429;
    if (isFinal) this.#stop();
    else {
      this.#isStale = true;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => void this.load(), RETRY_MS);
    }
    if (isFinal || !this.run.value) this.error.value = error;
  }

  #stopIfOver(): void {
    if (this.run.value && isOver(this.run.value.status)) this.#stop();
  }

  #stop(): void {
    clearTimeout(this.#retry);
    for (const end of this.#ends) end();
    this.#ends = [];
  }

  #takeStep({ step, epoch }: { step: number; epoch: number }): void {
    if ((this.steps.step?.length ?? 0) > MOST_STEP_POINTS) void this.load();
    this.#present = { step, epoch: Math.max(epoch - 1, this.#present.epoch) };
    this.#announceChange();
  }

  #takeEpoch(row: Extract<RunEvent, { type: "epoch" }>["data"]): void {
    this.#present = { step: row.step, epoch: row.epoch };
    this.#announceChange();
    const run = this.run.value;
    if (!run || isOver(run.status)) return;
    const metrics = metricsOf(row);
    const best = { epoch: row.epoch, monitor: monitorOf(run), value: metrics[monitorOf(run)] ?? 0, metrics };
    this.run.value = {
      ...run,
      progress: { ...run.progress, epochs_since_best: row.epochs_since_best ?? null },
      last: { epoch: row.epoch, metrics },
      ...(row.is_best === true && { best }),
    };
    if (performance.now() - this.#refreshedAt > REFRESH_MS) void this.refresh();
  }

  /** Shows how far the run has come, together with the points that were added. */
  #showProgress(): void {
    const run = this.run.value;
    if (!run || isOver(run.status) || this.#present.step <= run.progress.step) return;
    this.run.value = { ...run, progress: { ...run.progress, ...this.#present } };
  }

  #announceChange(): void {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#showProgress();
      this.version.value += 1;
    });
  }
}

function metricsOf(row: Numbers): Record<string, number | null> {
  const names = Object.keys(row).filter((name) => /^(train|validation)_/.test(name));
  return Object.fromEntries(names.map((name) => [name, row[name] ?? null]));
}
