/** A run with its curves, kept up to date by the events of the stream. */
import { signal } from "@preact/signals";
import type { RunEvent } from "../api/events";
import { get, type RequestFailed } from "../api/http";
import type { Run } from "../api/types";
import { addRow, type Columns, mergeColumns } from "./columns";
import { isOver } from "./status";

interface Metrics {
  epochs: Columns;
  steps: Columns;
}

/** More points than this cannot be seen on a screen; the service keeps the extremes of what it leaves out. */
const MAX_STEP_POINTS = 2000;

export class LiveRun {
  readonly run = signal<Run | null>(null);
  readonly error = signal<RequestFailed | null>(null);
  /** Grows when `epochs`, `steps` or `diagnostics` have changed, at most once a frame. */
  readonly version = signal(0);
  epochs: Columns = {};
  /** Thinned; `run.progress.step` says how many there are. */
  steps: Columns = {};

  private frame = 0;

  constructor(readonly id: string) {}

  /** Loads the run and its curves, and keeps the rows that events have added in the meantime. */
  async load(): Promise<void> {
    try {
      const [run, metrics] = await Promise.all([
        get<Run>(`v1/runs/${this.id}`),
        get<Metrics>(`v1/runs/${this.id}/metrics`, { max_points: MAX_STEP_POINTS }),
      ]);
      this.run.value = run;
      this.epochs = mergeColumns(metrics.epochs, "epoch", this.epochs);
      this.steps = mergeColumns(metrics.steps, "step", this.steps);
      this.error.value = null;
      this.announceChange();
    } catch (error) {
      this.error.value = error as RequestFailed;
    }
  }

  /** Takes an event in. The run itself is fetched again when its state changes, because an event has only a part of it. */
  handle(event: RunEvent): void {
    if (event.type === "step" && addRow(this.steps, "step", event.data)) this.announceChange();
    if (event.type === "epoch" && addRow(this.epochs, "epoch", event.data)) {
      this.countEpoch(event.data);
      this.announceChange();
    }
    if (event.type === "state" || event.type === "checkpoint" || event.type === "end") void this.refresh();
  }

  /** Fetches the run without its curves. */
  async refresh(): Promise<void> {
    try {
      this.run.value = await get<Run>(`v1/runs/${this.id}`);
    } catch (error) {
      this.error.value = error as RequestFailed;
    }
  }

  private countEpoch(data: { epoch: number; step: number }): void {
    const run = this.run.value;
    if (!run || isOver(run.status) || data.epoch <= run.progress.epoch) return;
    this.run.value = { ...run, progress: { ...run.progress, epoch: data.epoch, step: data.step } };
  }

  private announceChange(): void {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.version.value += 1;
    });
  }
}
