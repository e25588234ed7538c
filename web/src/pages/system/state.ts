/** The workers, the queue and the checks, as they were last read. */
import { signal } from "@preact/signals";
import { get, type RequestFailed } from "../../api/http";
import type { Queues, System, Worker } from "../../api/types";

interface Links {
  links: Record<string, string>;
}

export const system = signal<System | null>(null);
export const workers = signal<readonly Worker[] | null>(null);
export const queue = signal<Queues["data"][number] | null>(null);
export const links = signal<Links["links"]>({});
export const failure = signal<RequestFailed | null>(null);

let isLoading = false;
let isStale = false;

/** Reads everything. Called meanwhile, as by the events of many runs, it reads once more when it is done. */
export async function load(): Promise<void> {
  isStale = true;
  if (isLoading) return;
  isLoading = true;
  while (isStale) {
    isStale = false;
    await read();
  }
  isLoading = false;
}

async function read(): Promise<void> {
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
  failure.value = rejected ? (rejected.reason as RequestFailed) : null;
}
