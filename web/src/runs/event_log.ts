/** The log of a run, as far as it is loaded: all of it, in order, without gaps and repetitions. */
import { signal } from "@preact/signals";
import type { RunEvent } from "../api/events";
import { get, type RequestFailed } from "../api/http";

interface EventPage {
  data: RunEvent[];
  has_more: boolean;
}

const PAGE = 1000;

export class EventLog {
  readonly events = signal<readonly RunEvent[]>([]);
  readonly error = signal<RequestFailed | null>(null);
  readonly isComplete = signal(false);
  #isLoading = false;
  /** Whether an event came during the loading, which the loaded pages may not have. */
  #isBehind = false;

  readonly #runId: string;

  constructor(runId: string) {
    this.#runId = runId;
  }

  /** Adds an event of the stream; loads what is missing before it. */
  add(event: RunEvent): void {
    const last = this.#lastSeq();
    this.#isBehind = this.#isLoading;
    if (event.seq <= last || this.#isLoading) return;
    if (event.seq === last + 1 && this.isComplete.value) this.events.value = [...this.events.value, event];
    else void this.load();
  }

  /** Loads what the log has after the last known event. */
  async load(): Promise<void> {
    if (this.#isLoading) return;
    this.#isLoading = true;
    this.error.value = null;
    try {
      let hasMore = true;
      while (hasMore || this.#isBehind) {
        this.#isBehind = false;
        const page: EventPage = await get(`v1/runs/${this.#runId}/events`, {
          after: this.#lastSeq(),
          limit: PAGE,
        });
        if (page.data.length > 0) this.events.value = [...this.events.value, ...page.data];
        hasMore = page.has_more;
      }
      this.isComplete.value = true;
    } catch (error) {
      this.error.value = error as RequestFailed;
    }
    this.#isLoading = false;
  }

  #lastSeq(): number {
    return this.events.value.at(-1)?.seq ?? 0;
  }
}
