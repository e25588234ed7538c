/**
 * The one stream of events that a tab has. It closes while the tab is hidden, because browsers allow six connections
 * to a host for all tabs together, and resumes after the last id that it saw: no event is missed or seen twice.
 */
import { signal } from "@preact/signals";
import type { RunEvent } from "./events";
import { EVENT_TYPES } from "./events";
import { apiAddress } from "./http";

/** `cut` while the connection is lost; `hidden` while nobody looks at the tab; `idle` if nothing is followed. */
export type Connection = "idle" | "connecting" | "live" | "cut" | "hidden";
export const connection = signal<Connection>("idle");

/** What a page follows: the parameters of `GET /v1/events`. */
export type Selection = Record<string, string | readonly string[]>;

export interface Follower {
  /** Called when events begin, or begin again after some were lost: whatever was loaded before may be out of date. */
  load: () => void;
  handle: (event: RunEvent) => void;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;

let source: EventSource | null = null;
let current: { selection: Selection; follower: Follower } | null = null;
let lastId: string | null = null;
let delay = FIRST_DELAY_MS;
let retry: ReturnType<typeof setTimeout> | undefined;

/** Follows a selection instead of the present one. Returns a function that ends it. */
export function follow(selection: Selection, follower: Follower): () => void {
  const mine = { selection, follower };
  current = mine;
  lastId = null;
  delay = FIRST_DELAY_MS;
  open();
  return () => {
    if (current !== mine) return;
    current = null;
    close("idle");
  };
}

function open(): void {
  close("connecting");
  if (!current) return;
  if (document.hidden) {
    connection.value = "hidden";
    return;
  }
  const { selection, follower } = current;
  const isResumed = lastId !== null;
  source = new EventSource(apiAddress("v1/events", { ...selection, after: lastId ?? undefined }));
  source.onopen = () => {
    delay = FIRST_DELAY_MS;
    // After a reconnection the browser sends the last id itself; only the first opening has nothing to resume from.
    const isFirst = connection.value === "connecting" && !isResumed;
    connection.value = "live";
    if (isFirst) follower.load();
  };
  source.onerror = () => {
    const failed = source;
    if (connection.value === "connecting" && !isResumed) follower.load();
    connection.value = "cut";
    // The browser reconnects a broken connection by itself, but not after an answer such as 503.
    if (failed?.readyState === EventSource.CLOSED) openLater();
  };
  for (const type of EVENT_TYPES) source.addEventListener(type, receive);
  source.addEventListener("reset", (message) => {
    lastId = message.lastEventId || lastId;
    current?.follower.load();
  });
}

function receive(message: MessageEvent<string>): void {
  lastId = message.lastEventId || lastId;
  current?.follower.handle(JSON.parse(message.data) as RunEvent);
}

function openLater(): void {
  clearTimeout(retry);
  // Many tabs lose the same service at once; different delays spread their return.
  retry = setTimeout(open, delay * (0.5 + Math.random()));
  delay = Math.min(2 * delay, LONGEST_DELAY_MS);
}

function close(state: Connection): void {
  clearTimeout(retry);
  source?.close();
  source = null;
  connection.value = state;
}

document.addEventListener("visibilitychange", () => {
  if (!current) return;
  if (document.hidden) close("hidden");
  else open();
});
