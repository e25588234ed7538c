/** Several runs with the curves of one metric, kept up to date by the events of the stream. */
import { signal } from "@preact/signals";
import type { RunEvent } from "../../api/events";
import { get, type RequestFailed } from "../../api/http";
import { follow } from "../../api/stream";
import type { Run } from "../../api/types";
import { addRow, type Columns, mergeColumns, numbersOf } from "../../runs/columns";
import { isOver } from "../../runs/status";
import { fieldValue } from "./fields";

/** As many as one request may name. */
export const MAX_RUNS = 100;
/** More epochs than this cannot be seen; the service keeps the extremes of what it leaves out. */
const MAX_POINTS = 2000;
/** Changes that come within this time are fetched together. */
const PAUSE_MS = 500;

export class Comparison {
  /** In the order of the address; null until they are loaded. */
  readonly runs = signal<readonly Run[] | null>(null);
  readonly missing = signal<readonly string[]>([]);
  readonly error = signal<RequestFailed | null>(null);
  /** Number of runs whose curves are loaded. */
  readonly loaded = signal(0);
  /** Grows when a curve has changed, at most once a frame. */
  readonly version = signal(0);
  readonly #curves = new Map<string, Columns>();
  readonly #changed = new Set<string>();
  #unfollow: () => void = () => undefined;
  #followed: readonly string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #frame = 0;
  #isEnded = false;

  constructor(
    readonly ids: readonly string[],
    /** The metric of the address; without one, that which most runs monitor. */
    readonly metric: string,
  ) {}

  curve(id: string): Columns {
    return this.#curves.get(id) ?? {};
  }

  /** Loads the runs, and follows those that are not over. */
  async start(): Promise<void> {
    await this.#attempt(async () => {
      await this.#fetchRuns(this.ids);
      if (this.#followed.length === 0) await this.#loadCurves();
    });
  }

  end(): void {
    this.#isEnded = true;
    this.#unfollow();
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
  }

  #reload(): Promise<void> {
    return this.#attempt(async () => {
      await this.#fetchRuns(this.ids);
      await this.#loadCurves();
    });
  }

  #handle(event: RunEvent): void {
    if (event.type === "epoch") {
      const curve = this.curve(event.run_id);
      this.#curves.set(event.run_id, curve);
      if (addRow(curve, "epoch", numbersOf(event.data))) this.#announceChange();
    }
    this.#changed.add(event.run_id);
    this.#fetchLater();
  }

  #fetchLater(): void {
    if (this.#isEnded) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const ids = [...this.#changed];
      this.#changed.clear();
      void this.#attempt(() => this.#fetchRuns(ids), ids);
    }, PAUSE_MS);
  }

  async #fetchRuns(ids: readonly string[]): Promise<void> {
    const { data } = await get<{ data: Run[] }>("v1/runs", { run: ids, limit: MAX_RUNS });
    const known = new Map((this.runs.value ?? []).map((run) => [run.id, run]));
    for (const run of data) {
      const shown = known.get(run.id);
      // Answers may arrive in another order than they were made.
      if (!shown || shown.updated_at <= run.updated_at) known.set(run.id, run);
    }
    const found = new Set(data.map((run) => run.id));
    for (const id of ids) if (!found.has(id)) known.delete(id);
    this.runs.value = this.ids.flatMap((id) => known.get(id) ?? []);
    this.missing.value = this.ids.filter((id) => !known.has(id));
    this.#followLive();
  }

  /** Follows the runs that are not over. The service refuses to follow a run that does not exist. */
  #followLive(): void {
    const isKept = this.#followed.every((id) => !this.missing.value.includes(id));
    if (this.#isEnded || (this.#followed.length > 0 && isKept)) return;
    this.#unfollow();
    this.#followed = (this.runs.value ?? []).filter((run) => !isOver(run.status)).map((run) => run.id);
    if (this.#followed.length === 0) return;
    this.#unfollow = follow(
      { run: this.#followed, type: ["checkpoint", "end", "epoch", "state"] },
      { load: () => void this.#reload(), handle: (event) => this.#handle(event) },
    );
  }

  async #loadCurves(): Promise<void> {
    this.loaded.value = 0;
    await Promise.all((this.runs.value ?? []).map((run) => this.#loadCurve(run)));
  }

  async #loadCurve(run: Run): Promise<void> {
    const names = `${this.metric || commonMonitor(this.runs.value ?? [])},seconds`;
    const answer = await get<{ epochs: Columns }>(`v1/runs/${run.id}/metrics`, {
      names,
      max_points: MAX_POINTS,
    });
    this.#curves.set(run.id, mergeColumns(answer.epochs, "epoch", this.curve(run.id)));
    this.loaded.value += 1;
    this.#announceChange();
  }

  #announceChange(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.version.value += 1;
    });
  }

  /** Does something that may fail; the runs that it would have fetched are then fetched later. */
  async #attempt(action: () => Promise<void>, ids: readonly string[] = []): Promise<void> {
    try {
      await action();
      this.error.value = null;
    } catch (error) {
      this.error.value = error as RequestFailed;
      for (const id of ids) this.#changed.add(id);
      if (ids.length > 0) this.#fetchLater();
    }
  }
}

/** Returns the metric that most of the runs monitor. */
export function commonMonitor(runs: readonly Run[]): string {
  const counts = new Map<string, number>();
  for (const run of runs) {
    const monitor = String(fieldValue(run, "evaluation.monitor"));
    counts.set(monitor, (counts.get(monitor) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0] ?? "validation_loss";
}

/** Returns the metrics of which the runs have curves. */
export function curveMetrics(runs: readonly Run[]): string[] {
  const names = runs.flatMap((run) => Object.keys(run.last?.metrics ?? {}));
  return [...new Set([commonMonitor(runs), ...names])].filter((name) => !name.startsWith("test_"));
}
