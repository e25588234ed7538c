/** Asks the service, while a recipe is being written, what it would make of it. The newest answer wins. */
import { effect, type Signal, signal } from "@preact/signals-core";
import { post, type RequestFailed } from "../../api/http";
import type { Preview } from "../../api/types";
import type { Draft } from "./draft";

const PAUSE_MS = 150;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 32_000;

export class Check {
  /** The answer for the last recipe that was valid. */
  readonly preview = signal<Preview | null>(null);
  /** Why there is no answer for the present recipe, or null if there is one. */
  readonly error = signal<RequestFailed | null>(null);
  /** Address of the picture of augmented samples. */
  readonly picture = signal<string | null>(null);
  readonly pictureError = signal<RequestFailed | null>(null);

  #timer: ReturnType<typeof setTimeout> | undefined;
  #controller = new AbortController();
  #retryDelay = FIRST_RETRY_MS;

  readonly #draft: Draft;

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  /** Follows the draft until the returned function is called. */
  start(): () => void {
    const end = effect(() => {
      void this.#draft.text.value;
      // Answers about the text before are of no use any more.
      this.#controller.abort();
      this.#retryDelay = FIRST_RETRY_MS;
      this.#plan(PAUSE_MS);
    });
    return () => {
      end();
      clearTimeout(this.#timer);
      this.#controller.abort();
      this.#releasePicture();
    };
  }

  retry(): void {
    this.#plan(0);
  }

  #plan(delay: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), delay);
  }

  #ask(): void {
    this.#controller.abort();
    this.#controller = new AbortController();
    const body = this.#draft.text.peek();
    void this.#validate(body, this.#controller.signal);
    void this.#draw(body, this.#controller.signal);
  }

  #validate(body: string, signal: AbortSignal): Promise<void> {
    return this.#attempt(this.error, signal, async () => {
      const response = await post("v1/runs?validate_only=true", body, { signal });
      this.preview.value = (await response.json()) as Preview;
    });
  }

  /** The picture of the recipe before it stays until there is another one. */
  #draw(body: string, signal: AbortSignal): Promise<void> {
    return this.#attempt(this.pictureError, signal, async () => {
      const response = await post("v1/recipes/preview", body, { signal, headers: { Accept: "image/png" } });
      const picture = URL.createObjectURL(await response.blob());
      this.#releasePicture();
      this.picture.value = picture;
    });
  }

  async #attempt(
    error: Signal<RequestFailed | null>,
    signal: AbortSignal,
    action: () => Promise<void>,
  ): Promise<void> {
    try {
      await action();
      error.value = null;
    } catch (failure) {
      if (signal.aborted) return;
      error.value = failure as RequestFailed;
      this.#retryLater(failure as RequestFailed);
    }
  }

  #releasePicture(): void {
    if (this.picture.peek()) URL.revokeObjectURL(this.picture.peek() as string);
  }

  #retryLater({ status, problem }: RequestFailed): void {
    const isPacking = problem?.type.endsWith("/dataset_not_ready");
    // After a minute it is up to the next change, or to the button.
    if (!(isAway(status) || isPacking) || this.#retryDelay > LONGEST_RETRY_MS) return;
    this.#plan(this.#retryDelay);
    this.#retryDelay *= 2;
  }
}

/** Whether an answer says that the service, or a part of it, is away and may come back by itself. */
export function isAway(status: number): boolean {
  return status === 0 || status === 503;
}
