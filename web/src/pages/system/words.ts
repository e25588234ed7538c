/** What a page about the system says in words. */
import type { System, Worker } from "../../api/types";

type Row = System["data"][number];

const SEVERITY = { error: 0, warning: 1, ok: 2 } as const;

/** Returns the gravest rows first, otherwise in the order of the service. */
export function sortRows(rows: readonly Row[]): Row[] {
  return [...rows].sort((one, other) => SEVERITY[one.status] - SEVERITY[other.status]);
}

/** Returns versions by the worker's names, such as `torch 2.13.0+cpu`; workers that share all versions share a text. */
export function describeVersions(worker: Pick<Worker, "versions">): string {
  return Object.entries(worker.versions ?? {})
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
}
