import type { BriefRun, Run } from "../api/types";

type Status = BriefRun["status"];

const OVER: ReadonlySet<Status> = new Set(["succeeded", "failed", "cancelled"]);

export function isOver(status: Status): boolean {
  return OVER.has(status);
}

/** Returns the name of the metric that decides which epoch is the best. */
export function monitorOf(run: Run): string {
  return run.best?.monitor ?? run.recipe.evaluation?.monitor ?? "validation_loss";
}
