/** An event of a run's log as a sentence. */
import type { LogEvent } from "../../api/events";
import { formatBytes, formatMetric, spellOut } from "../../format";
import { placeName } from "../../json";

/** Values of events that are said elsewhere, or that are no measurements. */
const NOT_LISTED = /^(epoch|step|seconds|epochs_since_best|is_best|non_finite|name|.*rows)$/;

export function describeEvent({ type, data }: LogEvent): string {
  switch (type) {
    case "state":
      return `${data.status} (${spellOut(data.reason)}) by the ${data.actor}${data.request ? `; asked to ${data.request}` : ""}`;
    case "step":
      return `step ${data.step}: ${listValues(data)}`;
    case "epoch":
      return `epoch ${data.epoch}: ${listValues(data)}${data.is_best ? ", the best so far" : ""}`;
    case "checkpoint":
      return `weights of epoch ${data.epoch} (${data.roles.join(", ")}), ${formatBytes(data.bytes)}`;
    case "diagnostic":
      return `${spellOut(data.name)} at epoch ${data.epoch}: ${listValues(data)}`;
    case "advice":
      return `${spellOut(data.code)} at ${placeName(data.pointer)}: ${data.message}`;
    case "log":
      return `${spellOut(data.code)}: ${data.message}`;
    case "end":
      return `${data.status} (${spellOut(data.reason)})${data.message ? `: ${data.message}` : ""}`;
  }
}

/** Lists what is measured: numbers, and lists of numbers with one a layer. */
function listValues(data: Record<string, unknown>): string {
  const parts = Object.entries(data).flatMap(([name, value]) => {
    const values = [value].flat();
    const isMeasured = values.every((each) => typeof each === "number" || each === null);
    if (NOT_LISTED.test(name) || !isMeasured || values.length === 0) return [];
    return `${spellOut(name)} ${values.map((each) => formatMetric(name, each as number | null)).join(" ")}`;
  });
  return parts.join(", ");
}
