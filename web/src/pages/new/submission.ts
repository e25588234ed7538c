/** Sends the recipe. Pressing twice, or again after an answer was lost, makes one run. */
import { signal } from "@preact/signals-core";
import { post, type RequestFailed, randomKey } from "../../api/http";
import { readDocument, type Store } from "../../store";

/** The seeds of "the same with several seeds". */
export const SEEDS = [0, 1, 2, 3, 4];

/** A key for each body that was sent and not yet answered. */
export class Keys {
  #keys: Record<string, string>;

  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
    this.#keys = (readDocument(store) ?? {}) as Record<string, string>;
  }

  /** Returns the key of each body, the same as before for a body that was sent before. */
  take(bodies: readonly string[]): string[] {
    this.#keys = Object.fromEntries(bodies.map((body) => [body, this.#keys[body] ?? randomKey()]));
    this.#store.write(JSON.stringify(this.#keys));
    return bodies.map((body) => this.#keys[body] ?? "");
  }

  forget(): void {
    this.#keys = {};
    this.#store.write(JSON.stringify(this.#keys));
  }
}

export class Submission {
  readonly isSending = signal(false);
  readonly error = signal<RequestFailed | null>(null);

  readonly #keys: Keys;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** Returns the ids of the runs, or null if a request failed or one is under way. */
  async send(bodies: readonly string[]): Promise<string[] | null> {
    if (this.isSending.peek()) return null;
    this.isSending.value = true;
    this.error.value = null;
    try {
      const keys = this.#keys.take(bodies);
      const ids: string[] = [];
      for (const [index, body] of bodies.entries()) {
        const response = await post("v1/runs", body, { headers: { "Idempotency-Key": keys[index] ?? "" } });
        ids.push(((await response.json()) as { id: string }).id);
      }
      this.#keys.forget();
      return ids;
    } catch (error) {
      this.error.value = error as RequestFailed;
      return null;
    } finally {
      this.isSending.value = false;
    }
  }
}
