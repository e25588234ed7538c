import type { BriefRun } from "../api/types";

/** The status of a run as a word with a mark; the mark's shape differs too, not only its colour. */
export function StatusMark({ status }: { status: BriefRun["status"] }) {
  return <span class={`status ${status}`}>{status}</span>;
}
