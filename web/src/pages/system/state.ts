/** The workers, the queue and the checks, as they were last read. */
import { computed, signal } from "@preact/signals";
import type { RunEvent } from "../../api/events";
import { get } from "../../api/http";
import { Loader } from "../../api/loader";
import type { Queues, System, Worker } from "../../api/types";

interface Links {
  links: Record<string, string>;
}

export const system = signal<System | null>(null);
export const workers = signal<readonly Worker[] | null>(null);
export const queue = signal<Queues["data"][number] | null>(null);
export const links = signal<Links["links"]>({});

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
  } else if (event.type === "state" || event.type === "end") {
    const others = [...released.value].filter((each) => each !== event.run_id);
    released.value = new Set(event.data.status === "running" ? others : [...others, event.run_id]);
    loader.soon("all");
  }
}

/** Everything, or the workers alone. */
export const loader = new Loader<"all" | "workers">((parts) =>
  parts.has("all") ? loadAll() : loadWorkers(),
);

async function loadWorkers(): Promise<void> {
  workers.value = (await get<{ data: Worker[] }>("v1/workers")).data;
}

async function loadAll(): Promise<void> {
  const [checked, workersFound, queues, index] = await Promise.allSettled([
    get<System>("v1/system"),
    get<{ data: Worker[] }>("v1/workers"),
    get<Queues>("v1/queues"),
    get<Links>("./", {}, { headers: { Accept: "application/json" } }),
  ]);
  // The checks are answered while Redis is down too; the workers and the queue are not.
  if (checked.status === "fulfilled") system.value = checked.value;
  if (workersFound.status === "fulfilled") workers.value = workersFound.value.data;
  if (queues.status === "fulfilled") queue.value = queues.value.data[0] ?? null;
  if (index.status === "fulfilled") links.value = index.value.links;
  const rejected = [checked, workersFound, queues].find((each) => each.status === "rejected");
  if (rejected) throw rejected.reason;
}
