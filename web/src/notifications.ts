/**
 * The browser's own notifications: when a run ends, and only for runs for which the user asked. While there are such
 * runs, the stream of events stays open in a hidden tab; without that, no tab would know that a run has ended.
 */
import { computed, effect, signal } from "@preact/signals-core";
import { navigate } from "./address";
import { get, type RequestFailed } from "./api/http";
import { follow } from "./api/stream";
import type { Run } from "./api/types";
import { remembered } from "./remembered";
import { isOver } from "./runs/status";

/** More runs than this cannot be followed beside those of a page. */
export const MAX_AWAITED = 50;

/** Ids of the runs whose end is awaited, the newest last. */
export const awaited = remembered<readonly string[]>("awaited", []);
const permission = signal(typeof Notification === "undefined" ? "denied" : Notification.permission);

/** Whether the browser has refused to show one although it is allowed, as Chrome does on Android. */
const isRefused = signal(false);

/** Why this browser shows no notification, as a sentence; null if it shows them or can be asked. */
export const obstacle = computed(() => {
  if (!window.isSecureContext) return "Browsers notify only for pages on localhost or under https.";
  if (typeof Notification === "undefined" || isRefused.value)
    return "This browser shows no notifications of pages.";
  return permission.value === "denied"
    ? "Notifications are blocked. Allow them in the browser's settings, then press again."
    : null;
});

/** Asks for a notification when each of the runs ends. The browser asks the user for permission the first time. */
export async function awaitEnds(ids: readonly string[]): Promise<void> {
  if (typeof Notification === "undefined") return;
  permission.value = await Notification.requestPermission();
  if (permission.value !== "granted") return;
  awaited.value = [...new Set([...awaited.value, ...ids])].slice(-MAX_AWAITED);
}

export function dropAwaited(ids: readonly string[]): void {
  awaited.value = awaited.value.filter((each) => !ids.includes(each));
}

/** Follows the awaited runs from now on, in one tab of all that are open: browsers allow six connections to a host. */
export function followAwaited(): void {
  const ids = computed(() => awaited.value.join(","));
  effect(() => {
    if (ids.value === "") return;
    const run = ids.value.split(",");
    return whileAlone(() =>
      follow(
        { run, type: ["end"] },
        {
          load: () => {
            for (const each of run) void notifyIfOver(each);
          },
          handle: (event) => void notifyIfOver(event.run_id),
        },
        { whileHidden: true },
      ),
    );
  });
}

/** Does something as soon as no other tab does it. Returns what ends it. */
function whileAlone(begin: () => () => void): () => void {
  const ending = new AbortController();
  const { signal } = ending;
  const lock = async () => {
    const end = begin();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    end();
  };
  // The wait for the lock is given up with an AbortError.
  navigator.locks?.request(`bakehouse:${location.pathname}`, { signal }, lock).catch(() => undefined);
  return () => ending.abort();
}

async function notifyIfOver(runId: string): Promise<void> {
  let run: Run;
  try {
    run = await get<Run>(`v1/runs/${runId}`);
  } catch (error) {
    // A run that was deleted does not end; on other failures, the stream calls again when it is back.
    if ((error as RequestFailed).status === 404) dropAwaited([runId]);
    return;
  }
  // The answer to another call, or another tab, may have been faster.
  if (!isOver(run.status) || !awaited.value.includes(runId)) return;
  dropAwaited([runId]);
  notify(run);
}

function notify(run: Run): void {
  const { title, body } = notificationOf(run);
  try {
    // With a tag, the notification of a second tab replaces that of the first.
    const notification = new Notification(title, { body, tag: run.id, icon: iconAddress() });
    notification.onclick = () => {
      window.focus();
      navigate({ page: "run", id: run.id });
      notification.close();
    };
  } catch {
    isRefused.value = true;
  }
}

function iconAddress(): string {
  return document.querySelector<HTMLLinkElement>("link[rel=icon]")?.href ?? "";
}

/** Returns the words of the notification: the run with its end, and what the verdict says. */
export function notificationOf(run: Pick<Run, "id" | "recipe" | "status" | "reason" | "verdict">): {
  title: string;
  body: string;
} {
  return { title: `${run.recipe.name ?? run.id} ${ending(run)}`, body: run.verdict?.message ?? "" };
}

function ending({ status, reason }: Pick<Run, "status" | "reason">): string {
  if (status === "failed") return "has failed";
  if (status === "cancelled") return "was cancelled";
  if (reason === "early_stopped" || reason === "pruned") return "stopped early";
  return reason === "stopped_by_user" ? "was stopped" : "has finished";
}
