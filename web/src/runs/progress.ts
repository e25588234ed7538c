/** A run while it trains: the newest answer of the API, and what events have said since. */
import type { Numbers, RunEvent } from "../api/events";
import type { Run } from "../api/types";
import { isOver, monitorOf } from "./status";

/** Returns the run after an epoch, of which an event has the metrics. */
export function addEpoch(run: Run, row: Extract<RunEvent, { type: "epoch" }>["data"]): Run {
  const { epoch, step, is_best: isBest, epochs_since_best: waited = null } = row;
  if (isOver(run.status) || epoch <= (run.last?.epoch ?? 0)) return run;
  const metrics = metricsOf(row);
  const monitor = monitorOf(run);
  return {
    ...run,
    progress: { ...run.progress, epoch, step, epochs_since_best: waited },
    last: { epoch, metrics },
    ...(isBest === true && { best: { epoch, monitor, value: metrics[monitor] ?? 0, metrics } }),
  };
}

/** Returns an answer, with what events have said of the run if they are ahead of it. */
export function joinAnswer(answer: Run, shown: Run | null | undefined): Run {
  if (!shown || isOver(answer.status)) return answer;
  const newest = (shown.last?.epoch ?? 0) > (answer.last?.epoch ?? 0) ? shown : answer;
  const progress = {
    ...answer.progress,
    epoch: Math.max(shown.progress.epoch, answer.progress.epoch),
    step: Math.max(shown.progress.step, answer.progress.step),
    epochs_since_best: newest.progress.epochs_since_best ?? null,
  };
  return { ...answer, progress, last: newest.last ?? null, best: newest.best ?? null };
}

function metricsOf(row: Numbers): Record<string, number | null> {
  const names = Object.keys(row).filter((name) => /^(train|validation)_/.test(name));
  return Object.fromEntries(names.map((name) => [name, row[name] ?? null]));
}
