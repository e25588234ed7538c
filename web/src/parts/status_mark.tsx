import type { BriefRun, Experiment } from "../api/types";

/** The status of a run or an experiment as a word with a mark; the mark's shape differs too, not only its colour. */
export function StatusMark({ status }: { status: BriefRun["status"] | Experiment["status"] }) {
  return <span class={`status ${status}`}>{status}</span>;
}
