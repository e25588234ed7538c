/** The workers, the queue and the checks, as they were last read. */
import { computed, signal } from "@preact/signals-core";
import type { RunEvent } from "../../api/events";
import { get } from "../../api/http";
import { Loader } from "../../api/loader";
import type { Queues, System, Worker } from "../../api/types";
import { isOver } from "../../runs/status";

export const system = signal<System | null>(null);
export const workers = signal<readonly Worker[] | null>(null);
export const queue = signal<Queues["data"][number] | null>(null);

/** Runs that events have shown to be trained no more. A worker reports every few seconds, and may still name them. */
const released = signal<ReadonlySet<string>>(new Set());

/** Returns what a worker does: the run that it trains, or a word. */
export function workOf(worker: Worker): { run: string } | { word: string } {
  if (worker.status !== "busy" || !worker.run_id) return { word: worker.status };
  return released.value.has(worker.run_id) ? { word: "idle" } : { run: worker.run_id };
}

/** Whether a worker may train a run that it has not reported yet. */
export const isReportDue = computed(() =>
  (workers.value ?? []).some((each) => each.status === "busy" && !("run" in workOf(each))),
);

export function handle(event: RunEvent): void {
  if (event.type === "step") {
    loader.soon("workers");
  } else if (event.type === "state") {
    const { actor, status } = event.data;
    const others = [...released.value].filter((each) => each !== event.run_id);
    released.value = new Set(status === "running" ? others : [...others, event.run_id]);
    // What the service does changes no worker, and what a worker ends was not in the queue.
    if (actor !== "service") loader.soon("workers");
    if (actor === "service" || !isOver(status)) loader.soon("queue");
  }
}

const PARTS = {
  checks: async () => {
    system.value = await get<System>("v1/system");
  },
  workers: async () => {
    workers.value = (await get<{ data: Worker[] }>("v1/workers")).data;
  },
  queue: async () => {
    queue.value = (await get<Queues>("v1/queues")).data[0] ?? null;
  },
} as const;
type Part = keyof typeof PARTS;

/** Reads the parts side by side: the checks are answered while Redis is down, the workers and the queue are not. */
export const loader = new Loader<Part>(async (parts) => {
  const results = await Promise.allSettled([...parts].map((part) => PARTS[part]()));
  const failed = results.find((each) => each.status === "rejected");
  if (failed) throw failed.reason;
});

/** Reads everything. */
export function load(): void {
  for (const part of Object.keys(PARTS)) loader.soon(part as Part, 0);
}

/** Reads the workers. */
export function loadWorkers(): void {
  loader.soon("workers");
}
