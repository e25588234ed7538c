/**
 * The one stream of events that a tab has. It closes while the tab is hidden, because browsers allow six connections
 * to a host for all tabs together, and resumes after the last id that it saw: no event is missed or seen twice. While a
 * follower asks for it (see notifications.ts), the stream stays open in a hidden tab too.
 */
import { signal } from "@preact/signals-core";
import type { RunEvent } from "./events";
import { EVENT_TYPES } from "./events";
import { apiAddress } from "./http";

/** `cut` while the connection is lost; `hidden` while nobody looks at the tab; `idle` if nothing is followed. */
export type Connection = "idle" | "connecting" | "live" | "cut" | "hidden";
export const connection = signal<Connection>("idle");

/** What is followed, as in `GET /v1/events`: runs by their ids, runs that have these labels, or every run. */
export interface Selection {
  run?: readonly string[];
  label?: readonly string[];
  all?: true;
  /** The types of the events that are wanted; by default all. */
  type?: readonly (RunEvent["type"] | "dataset")[];
}

export interface Follower {
  /** Called when events begin, or begin again after some were lost: whatever was loaded before may be out of date. */
  load: () => void;
  handle: (event: RunEvent) => void;
}

interface Following {
  selection: Selection;
  follower: Follower;
  whileHidden: boolean;
  isLoaded: boolean;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
/** The service sends a heartbeat every 15 s; after two and a half of these, the connection is dead. */
const SILENCE_MS = 37_500;

const followings = new Set<Following>();
let source: EventSource | null = null;
/** The address of `source`, without the id after which it resumes. */
let address = "";
let lastId: string | null = null;
let delay = FIRST_DELAY_MS;
let retry: ReturnType<typeof setTimeout> | undefined;
let watch: ReturnType<typeof setTimeout> | undefined;
let heardAt = 0;

/** Follows a selection beside what is followed already. Returns a function that ends it. */
export function follow(
  selection: Selection,
  follower: Follower,
  { whileHidden = false }: { whileHidden?: boolean } = {},
): () => void {
  const mine = { selection, follower, whileHidden, isLoaded: false };
  followings.add(mine);
  // A page that is left ends its following in the same task in which another begins; one connection serves both.
  queueMicrotask(connect);
  return () => {
    followings.delete(mine);
    queueMicrotask(connect);
  };
}

/** Opens, keeps or closes the stream, as the followers and the tab need it now. */
function connect(): void {
  const active = [...followings].filter((each) => each.whileHidden || !document.hidden);
  const selection = joinSelections(active.map((each) => each.selection));
  const wanted = apiAddress("v1/events", { ...selection });
  if (document.hidden && active.length === 0) {
    close("hidden");
  } else if (!selection.all && selection.run.length + selection.label.length === 0) {
    close("idle");
    loadNew();
  } else if (!source || wanted !== address) {
    open(wanted);
  } else if (connection.value === "live") {
    loadNew();
  }
}

/** Returns the selection of all that any of them selects. */
export function joinSelections(selections: readonly Selection[]) {
  const join = (name: "run" | "label" | "type") =>
    [...new Set(selections.flatMap((each) => each[name] ?? []))].sort();
  const all = selections.some((each) => each.all);
  const type = selections.every((each) => each.type) ? join("type") : [];
  return { run: all ? [] : join("run"), label: all ? [] : join("label"), ...(all && { all }), type };
}

function selects({ run, label, all, type }: Selection, event: RunEvent): boolean {
  if (type && !type.includes(event.type)) return false;
  return Boolean(all || label?.length || run?.includes(event.run_id));
}

function open(wanted: string): void {
  close(connection.value === "cut" ? "cut" : "connecting");
  // Who has loaded nothing yet needs no events of the past; without an id, all load again.
  const isResumed = lastId !== null && [...followings].some((each) => each.isLoaded);
  if (!isResumed) forgetLoaded();
  address = wanted;
  source = new EventSource(isResumed ? `${wanted}&after=${lastId}` : wanted);
  hear();
  watchSilence();
  source.onopen = () => {
    hear();
    delay = FIRST_DELAY_MS;
    connection.value = "live";
    loadNew();
  };
  source.onerror = handleError;
  for (const type of [...EVENT_TYPES, "deleted", "dataset"]) source.addEventListener(type, receive);
  source.addEventListener("heartbeat", hear);
  source.addEventListener("reset", (message) => {
    lastId = message.lastEventId || lastId;
    for (const each of followings) each.follower.load();
  });
}

function hear(): void {
  heardAt = performance.now();
}

/** Ends a connection over which nothing came for long: one that broke silently looks like one that is quiet. */
function watchSilence(): void {
  const left = heardAt + SILENCE_MS - performance.now();
  if (left > 0) {
    watch = setTimeout(watchSilence, left);
  } else {
    close("cut");
    connectLater();
  }
}

function loadNew(): void {
  for (const each of followings) {
    if (each.isLoaded) continue;
    each.isLoaded = true;
    each.follower.load();
  }
}

function forgetLoaded(): void {
  lastId = null;
  for (const each of followings) each.isLoaded = false;
}

function handleError(): void {
  connection.value = "cut";
  // The browser reconnects a broken connection by itself, but not after an answer such as 404 or 503.
  const isRefused = source?.readyState === EventSource.CLOSED;
  if (isRefused) forgetLoaded();
  // Their requests fail too and say why; when the stream is open, they load again.
  for (const each of followings) if (!each.isLoaded) each.follower.load();
  if (isRefused) connectLater();
}

function connectLater(): void {
  source = null;
  clearTimeout(retry);
  // Many tabs lose the same service at once; different delays spread their return.
  retry = setTimeout(connect, delay * (0.5 + Math.random()));
  delay = Math.min(2 * delay, LONGEST_DELAY_MS);
}

function receive(message: MessageEvent<string>): void {
  hear();
  lastId = message.lastEventId || lastId;
  const event = JSON.parse(message.data) as RunEvent;
  for (const { selection, follower } of followings) {
    if (selects(selection, event)) follower.handle(event);
  }
}

function close(state: Connection): void {
  clearTimeout(retry);
  clearTimeout(watch);
  source?.close();
  source = null;
  connection.value = state;
}

/** The last id before the tab was hidden. What a hidden tab still follows is a part, which leaves other events out. */
let shownId: string | null = null;

document.addEventListener("visibilitychange", () => {
  if (document.hidden) shownId = lastId;
  else lastId = shownId;
  connect();
});
