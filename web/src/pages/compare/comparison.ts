/** Several runs with the curves of one metric, kept up to date by the events of the stream. */
import { signal } from "@preact/signals-core";
import type { RunEvent } from "../../api/events";
import { get } from "../../api/http";
import { Loader } from "../../api/loader";
import { follow } from "../../api/stream";
import type { Run } from "../../api/types";
import { addRow, type Columns, gather, mergeColumns, numbersOf } from "../../runs/columns";
import { addEpoch, joinAnswer } from "../../runs/progress";
import { isOver } from "../../runs/status";
import { fieldValue } from "./fields";

/** As many as one request may name. */
export const MAX_RUNS = 100;
/** The parts besides single runs: everything, and nothing, which only shows what events have said. */
const ALL = "all";
const SHOWN = "shown";

export class Comparison {
  /** In the order of the address; null until they are loaded. */
  readonly runs = signal<readonly Run[] | null>(null);
  readonly missing = signal<readonly string[]>([]);
  readonly #loader = new Loader((parts) => this.#load(parts));
  readonly error = this.#loader.error;
  /** Whether the curves of all runs are loaded. */
  readonly isComplete = signal(false);
  /** Grows when a curve has changed, at most once a frame. */
  readonly version = signal(0);
  readonly #curves = new Map<string, Columns>();
  readonly #known = new Map<string, Run>();
  #unfollow: () => void = () => undefined;
  #followed: readonly string[] = [];
  readonly #announceChange = gather(
    () => {
      this.version.value += 1;
    },
    () => Math.max(...this.ids.map((id) => this.curve(id).epoch?.length ?? 0)),
  );
  #isEnded = false;

  constructor(
    readonly ids: readonly string[],
    /** The metric of the address; without one, that which most runs monitor. */
    readonly metric: string,
  ) {}

  curve(id: string): Columns {
    return this.#curves.get(id) ?? {};
  }

  /** Loads the runs, and follows them. */
  start(): void {
    void this.#loader.now(ALL);
  }

  end(): void {
    this.#isEnded = true;
    this.#unfollow();
    this.#loader.end();
  }

  /** Takes in what an event says. Only the metrics of the test split, which come at the end, need a request. */
  #handle({ type, run_id: id, time, data }: RunEvent): void {
    const before = this.#known.get(id);
    if (!before) return;
    const passed = before.status === "running" ? Date.parse(time) - Date.parse(before.updated_at) : 0;
    const run = { ...before, seconds: before.seconds + passed / 1000, updated_at: time };
    if (type === "state") {
      const { status, reason, request } = data;
      this.#known.set(id, { ...run, status, reason, request });
      this.#loader.soon(isOver(status) ? id : SHOWN);
    } else if (type === "epoch") {
      const curve = this.curve(id);
      this.#curves.set(id, curve);
      if (addRow(curve, "epoch", numbersOf(data))) this.#announceChange();
      this.#known.set(id, addEpoch(run, data));
      this.#loader.soon(SHOWN);
    } else {
      this.#loader.soon(id);
    }
  }

  async #load(parts: ReadonlySet<string>): Promise<void> {
    const ids = this.ids.filter((id) => parts.has(id) || parts.has(ALL));
    const isFollowed = this.#followed.length > 0;
    if (ids.length > 0) await this.#loadRuns(ids);
    this.runs.value = this.ids.flatMap((id) => this.#known.get(id) ?? []);
    this.missing.value = this.ids.filter((id) => !this.#known.has(id));
    this.#follow();
    // What is followed from now on is loaded again when its events begin.
    if (parts.has(ALL) && (isFollowed || this.#followed.length === 0)) await this.#loadCurves();
  }

  async #loadRuns(ids: readonly string[]): Promise<void> {
    const { data } = await get<{ data: Run[] }>("v1/runs", { run: ids, limit: MAX_RUNS });
    for (const id of ids) {
      const answer = data.find((run) => run.id === id);
      if (answer) this.#known.set(id, joinAnswer(answer, this.#known.get(id)));
      else this.#known.delete(id);
    }
  }

  /** Follows the runs, also those that are over: they may be deleted. The service follows none that does not exist. */
  #follow(): void {
    const isKept = this.#followed.every((id) => this.#known.has(id));
    if (this.#isEnded || (this.#followed.length > 0 && isKept)) return;
    this.#unfollow();
    this.#followed = [...this.#known.keys()];
    if (this.#followed.length === 0) return;
    this.#unfollow = follow(
      { run: this.#followed, type: ["deleted", "epoch", "state"] },
      { load: () => this.start(), handle: (event) => this.#handle(event) },
    );
  }

  async #loadCurves(): Promise<void> {
    await Promise.all((this.runs.value ?? []).map((run) => this.#loadCurve(run)));
    this.isComplete.value = true;
  }

  async #loadCurve(run: Run): Promise<void> {
    const names = `${this.metric || commonMonitor(this.runs.value ?? [])},seconds`;
    const answer = await get<{ epochs: Columns }>(`v1/runs/${run.id}/metrics`, {
      names,
      // Of the steps, which are not drawn.
      max_points: 1,
    });
    this.#curves.set(run.id, mergeColumns(answer.epochs, "epoch", this.curve(run.id)));
    this.#announceChange();
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
