import type { BriefRun } from "../api/types";

type Status = BriefRun["status"];

const OVER: ReadonlySet<Status> = new Set(["succeeded", "failed", "cancelled"]);

export function isOver(status: Status): boolean {
  return OVER.has(status);
}
