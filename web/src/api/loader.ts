/** Loads again what has changed: one request at a time, what changes together at once, and what has failed later. */
import { signal } from "@preact/signals-core";
import type { RequestFailed } from "./http";

/** Changes that come within this time are loaded together. */
const PAUSE_MS = 300;
/** What could not be loaded is loaded again after this. */
const RETRY_MS = 3000;

export class Loader<Part extends string = string> {
  /** Why the last request has failed; null as soon as another one succeeds. */
  readonly error = signal<RequestFailed | null>(null);
  readonly #load: (parts: ReadonlySet<Part>) => Promise<void>;
  #wanted = new Set<Part>();
  #isLoading = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isEnded = false;

  /** `load` gets the names of the parts that are wanted. */
  constructor(load: (parts: ReadonlySet<Part>) => Promise<void>) {
    this.#load = load;
  }

  /** Loads a part soon, together with others. */
  soon(part: Part, afterMs = PAUSE_MS): void {
    this.#wanted.add(part);
    this.#isEnded = false;
    if (!this.#isLoading) this.#timer ??= setTimeout(() => void this.#loadWanted(), afterMs);
  }

  /** Loads a part now, or soon after what is being loaded. Returns when the present request is done. */
  async now(part: Part): Promise<void> {
    this.soon(part);
    if (!this.#isLoading) await this.#loadWanted();
  }

  /** Loads nothing more, until something is wanted again. */
  end(): void {
    this.#isEnded = true;
    this.#wanted.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** An older answer never replaces a newer one, because there is only one request at a time. */
  async #loadWanted(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isLoading = true;
    const parts = this.#wanted;
    this.#wanted = new Set();
    let failure: RequestFailed | null = null;
    try {
      await this.#load(parts);
    } catch (error) {
      failure = error as RequestFailed;
    }
    this.#isLoading = false;
    this.error.value = failure;
    if (failure && !failure.isFinal) for (const part of parts) this.#wanted.add(part);
    if (this.#isEnded) this.#wanted.clear();
    for (const part of this.#wanted) this.soon(part, failure ? RETRY_MS : PAUSE_MS);
  }
}
