/** What a run's state means, as sentences. */
import type { Run } from "../../api/types";
import { capitalize, count, formatMetric, sentence, spellOut } from "../../format";
import { monitorOf } from "../../runs/status";

export interface State {
  tone: "info" | "good" | "warning" | "bad";
  title: string;
  text: string;
}

const WAITING: Partial<Record<Run["reason"], string>> = {
  preempted: "It continues at the same step.",
  worker_lost: "Its worker was lost; it continues at its last saved step.",
  resumed: "It continues at the same step.",
};

/** Returns what a user should know of the present state. */
export function describeState(run: Run): State {
  if (run.request) {
    const text = `The worker will ${run.request} the run after the present step${/stop|prune/.test(run.request) ? " and keep its best weights" : ""}.`;
    return { tone: "info", title: `${capitalize(run.request)} requested`, text };
  }
  switch (run.status) {
    case "queued":
      return describeQueued(run);
    case "running":
      return describeTraining(run);
    case "paused":
      return {
        tone: "info",
        title: `Paused at epoch ${run.progress.epoch} of ${run.progress.epochs}`,
        text: "Resume continues at the same step.",
      };
    case "succeeded":
      return describeSuccess(run);
    case "failed":
      return describeFailure(run);
    case "cancelled":
      return {
        tone: "warning",
        title: `Cancelled after ${count(run.progress.epoch, "epoch")}`,
        text: run.best ? "Weights saved before can still be downloaded." : "No weights were saved.",
      };
  }
}

function describeTraining(run: Run): State {
  if (!run.best) return { tone: "info", title: "Training; no epoch is complete yet", text: "" };
  const waited = run.progress.epochs_since_best ?? 0;
  const title = `Best so far: epoch ${run.best.epoch}, ${spellOut(monitorOf(run))} ${bestValue(run)}`;
  const text = waited > 0 ? `No better for ${count(waited, "epoch")}.` : "The latest epoch is the best.";
  return { tone: "info", title, text };
}

function describeQueued(run: Run): State {
  const { queue, reason } = run;
  const title = queue ? `Waiting: place ${queue.position} in the queue` : "Waiting";
  return {
    tone: "info",
    title,
    text: [queue && sentence(queue.reason), WAITING[reason]].filter(Boolean).join(" "),
  };
}

function describeSuccess(run: Run): State {
  const { epoch, epochs, patience } = run.progress;
  const best = run.best ? `the best was epoch ${run.best.epoch}` : "no epoch was measured";
  const unused = `${epochs - epoch} of ${count(epochs, "epoch")} were not needed`;
  const monitor = spellOut(monitorOf(run));
  const ended = (how: string): State => ({ tone: "good", title: `${how}; ${best}`, text: "" });
  switch (run.reason) {
    case "early_stopped":
      return {
        tone: "good",
        title: `Stopped early at epoch ${epoch}: ${best}; ${unused}`,
        text: `${capitalize(monitor)} was no better than ${bestValue(run)} for ${count(patience ?? 0, "epoch")}.`,
      };
    case "stopped_by_user":
      return ended(`Stopped at epoch ${epoch} of ${epochs} as asked`);
    case "pruned":
      return ended(`Ended at epoch ${epoch} of ${epochs}: others were better at the same epoch`);
    case "time_budget":
      return ended(`Stopped at epoch ${epoch} of ${epochs}: the time budget was used up`);
    default:
      return ended(`Trained all ${count(epochs, "epoch")}`);
  }
}

function describeFailure(run: Run): State {
  const { epoch } = run.progress;
  const title = `Failed ${epoch > 0 ? `after ${count(epoch, "epoch")}` : "before the end of the first epoch"}`;
  const kept = epoch > 0 ? "The curves until then are below." : "";
  return {
    tone: "bad",
    title,
    text: [sentence(run.failure?.message ?? run.reason), kept].filter(Boolean).join(" "),
  };
}

/** Whether the run ended because its numbers were no longer finite. */
export function isDiverged(run: Run): boolean {
  return run.failure?.code === "non_finite" || run.verdict?.code === "diverged";
}

function bestValue(run: Run): string {
  return formatMetric(monitorOf(run), run.best?.value);
}

/** Which buttons a run has now. */
export function possibleActions(run: Run): readonly ("stop" | "pause" | "resume" | "cancel" | "retry")[] {
  switch (run.status) {
    case "queued":
      return run.request === "stop" ? ["cancel"] : ["pause", "cancel"];
    case "running":
      if (run.request === "cancel") return [];
      if (run.request === "stop") return ["cancel"];
      if (run.request === "prune") return ["stop", "cancel"];
      return run.request === "pause" ? ["resume", "stop", "cancel"] : ["pause", "stop", "cancel"];
    case "paused":
      return run.best ? ["resume", "stop", "cancel"] : ["resume", "cancel"];
    case "failed":
      return run.failure?.retryable ? ["retry"] : [];
    case "cancelled":
      return ["retry"];
    case "succeeded":
      return [];
  }
}
