/** An event of a run's log as a sentence. */
import type { RunEvent } from "../../api/events";
import { formatBytes, formatMetric, formatNumber, spellOut } from "../../format";
import { placeName } from "../../json";

const NO_METRICS = new Set(["epoch", "step", "seconds", "epochs_since_best", "is_best", "non_finite"]);

export function describeEvent(event: RunEvent): string {
  switch (event.type) {
    case "state": {
      const { status, reason, request, actor } = event.data;
      const asked = request ? `; asked to ${request}` : "";
      return `${status} (${spellOut(reason)}) by the ${actor}${asked}`;
    }
    case "step":
      return `step ${event.data.step}: ${listMetrics(event.data)}`;
    case "epoch":
      return `epoch ${event.data.epoch}: ${listMetrics(event.data)}${event.data.is_best ? ", the best so far" : ""}`;
    case "checkpoint": {
      const { epoch, roles, bytes } = event.data;
      return `weights of epoch ${epoch} (${roles.join(", ")}), ${formatBytes(bytes)}`;
    }
    case "diagnostic":
      return `${spellOut(event.data.name)} at epoch ${event.data.epoch}: ${listNumbers(event.data)}`;
    case "advice":
      return `${spellOut(event.data.code)} at ${placeName(event.data.pointer)}: ${event.data.message}`;
    case "log":
      return `${spellOut(event.data.code)}: ${event.data.message}`;
    case "end":
      return `${event.data.status} (${spellOut(event.data.reason)})${event.data.message ? `: ${event.data.message}` : ""}`;
  }
}

function listMetrics(data: Record<string, unknown>): string {
  return Object.entries(data)
    .filter(([name, value]) => !NO_METRICS.has(name) && (typeof value === "number" || value === null))
    .map(([name, value]) => `${spellOut(name)} ${formatMetric(name, value as number | null)}`)
    .join(", ");
}

function listNumbers(data: Record<string, unknown>): string {
  const parts = Object.entries(data).flatMap(([name, value]) => {
    if (NO_METRICS.has(name) || name === "name" || name === "rows") return [];
    if (typeof value === "number") return [`${spellOut(name)} ${formatNumber(value)}`];
    const isNumbers =
      Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "number");
    return isNumbers && !name.endsWith("_rows")
      ? [`${spellOut(name)} ${value.map(formatNumber).join(" ")}`]
      : [];
  });
  return parts.join(", ");
}
