/**
 * The log of a run as far as it is looked at: its newest events, those that come, and older ones on demand. However long
 * the log is, a window of it is drawn.
 */
import { signal } from "@preact/signals-core";
import { EVENT_TYPES, type LogEvent } from "../api/events";
import { get } from "../api/http";
import { Loader } from "../api/loader";

interface EventPage {
  data: LogEvent[];
  has_more: boolean;
  first_seq: number;
  last_seq: number;
}

const PAGE = 500;
/** So many rows are drawn at once. A move of the window leaves the row in its middle, by which it keeps its place. */
const ROWS = 200;
const MOVE = 80;
/** Twice as many events as this are kept, unless the user asks for older ones. */
const KEPT = 2000;

export class EventLog {
  /** The rows to draw; null until they are loaded. */
  readonly rows = signal<readonly LogEvent[] | null>(null);
  readonly hasOlder = signal(false);
  /** The place in `#events` at which the rows end; null while they follow the newest event. */
  readonly end = signal<number | null>(null);
  readonly #loader = new Loader<"newer" | "older">((parts) => this.#load(parts));
  readonly error = this.#loader.error;
  readonly #events: LogEvent[] = [];
  /** The log is known between these numbers, apart from events of other types. */
  #first = 0;
  #last = 0;
  /** The last event of the stream for which something was to be loaded. */
  #newest = 0;
  #hasMore = false;
  #isOlderWanted = false;
  #frame = 0;
  readonly #runId: string;
  readonly #types: readonly LogEvent["type"][];

  constructor(runId: string, types: readonly LogEvent["type"][] = EVENT_TYPES) {
    this.#runId = runId;
    this.#types = types;
  }

  /** Loads what the log has after the last known event. */
  load(): Promise<void> {
    return this.#loader.now("newer");
  }

  stop(): void {
    this.#loader.end();
    cancelAnimationFrame(this.#frame);
  }

  /** Adds an event of the stream; loads what is missing before it. */
  add(event: LogEvent): void {
    if (event.seq > this.#last + 1 || !this.rows.value) {
      this.#newest = event.seq;
      this.#loader.soon("newer");
    } else {
      this.#append([event], event.seq);
      this.#frame ||= requestAnimationFrame(() => this.#draw());
    }
  }

  /** Moves the window towards the beginning of the log. */
  async showOlder(): Promise<void> {
    if (this.#start() > 0) this.#moveTo(this.#end() - MOVE);
    else if (this.#hasMore && !this.#isOlderWanted) {
      this.#isOlderWanted = true;
      await this.#loader.now("older");
    }
  }

  /** Moves the window towards the newest event; there, it may follow again. */
  showNewer(mayFollow: boolean): void {
    const { value } = this.end;
    if (value === null) return;
    const end = Math.min(value + MOVE, this.#events.length);
    if (mayFollow && end === this.#events.length) this.follow();
    else if (end > value) this.#moveTo(end);
  }

  follow(): void {
    this.end.value = null;
    this.#draw();
  }

  /** Draws no new events below what somebody reads. */
  hold(): void {
    this.end.value ??= this.#events.length;
  }

  #moveTo(end: number): void {
    this.end.value = Math.min(Math.max(end, ROWS), this.#events.length);
    this.#draw();
  }

  async #load(parts: ReadonlySet<string>): Promise<void> {
    if (parts.has("newer")) await this.#loadNewer();
    if (parts.has("older")) {
      await this.#loadOlder();
      this.#isOlderWanted = false;
      this.#moveTo(this.#end() - MOVE);
    }
  }

  async #loadNewer(): Promise<void> {
    // An event that came while the log was loaded is in the answer.
    if (this.rows.value && this.#newest <= this.#last) return;
    const page = await this.#fetch({ after: this.#last });
    // What is newer by more than a page does not join what is known.
    if (page.has_more || !this.rows.value) {
      this.#events.length = 0;
      this.end.value = null;
      this.#first = page.first_seq;
      this.#hasMore = page.has_more;
    }
    this.#append(page.data, page.last_seq);
    this.#draw();
    while (this.#hasMore && this.#types.length > 0 && this.#events.length < ROWS) await this.#loadOlder();
  }

  async #loadOlder(): Promise<void> {
    const page = await this.#fetch({ before: this.#first });
    const found = page.data.filter(this.#isChosen);
    this.#events.unshift(...found);
    if (this.end.value !== null) this.end.value += found.length;
    this.#first = page.first_seq;
    this.#hasMore = page.has_more;
    this.#draw();
  }

  #fetch(range: { after: number } | { before: number }): Promise<EventPage> {
    const type = this.#types.length < EVENT_TYPES.length ? this.#types : [];
    return get(`v1/runs/${this.#runId}/events`, { tail: true, limit: PAGE, type, ...range });
  }

  /** Adds events after the last known one. */
  #append(events: readonly LogEvent[], last: number): void {
    this.#events.push(...events.filter(({ seq }) => seq > this.#last).filter(this.#isChosen));
    this.#last = Math.max(this.#last, last);
  }

  readonly #isChosen = ({ type }: LogEvent) => this.#types.includes(type);

  #end(): number {
    return this.end.value ?? this.#events.length;
  }

  #start(): number {
    return Math.max(0, this.#end() - ROWS);
  }

  #draw(): void {
    this.#frame = 0;
    if (this.end.value === null && this.#events.length > 2 * KEPT) {
      this.#events.splice(0, this.#events.length - KEPT);
      this.#first = this.#events[0]?.seq ?? 0;
      this.#hasMore = true;
    }
    this.rows.value = this.#events.slice(this.#start(), this.#end());
    this.hasOlder.value = this.#hasMore || this.#start() > 0;
  }
}
