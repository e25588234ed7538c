/** Asks the service, while a recipe is being written, what it would make of it. The newest answer wins. */
import { effect, signal } from "@preact/signals";
import { type RequestFailed, request } from "../../api/http";
import type { Preview } from "../../api/types";
import type { Draft } from "./draft";

const PAUSE_MS = 150;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 15_000;

export class Check {
  /** The answer for the last recipe that was valid. */
  readonly preview = signal<Preview | null>(null);
  /** Why there is no answer for the present recipe, or null if there is one. */
  readonly error = signal<RequestFailed | null>(null);
  /** Address of the picture of augmented samples. */
  readonly picture = signal<string | null>(null);
  readonly pictureError = signal<RequestFailed | null>(null);

  private timer: ReturnType<typeof setTimeout> | undefined;
  private controller = new AbortController();
  private retryDelay = FIRST_RETRY_MS;

  constructor(private readonly draft: Draft) {}

  /** Follows the draft until the returned function is called. */
  start(): () => void {
    const end = effect(() => {
      void this.draft.text.value;
      this.plan(PAUSE_MS);
    });
    return () => {
      end();
      clearTimeout(this.timer);
      this.controller.abort();
      if (this.picture.peek()) URL.revokeObjectURL(this.picture.peek() as string);
    };
  }

  retry(): void {
    this.plan(0);
  }

  private plan(delay: number): void {
    clearTimeout(this.timer);
    this.controller.abort();
    this.timer = setTimeout(() => void this.ask(), delay);
  }

  private async ask(): Promise<void> {
    this.controller = new AbortController();
    const { signal } = this.controller;
    const body = this.draft.text.peek();
    try {
      const response = await post("v1/runs?validate_only=true", body, signal);
      this.preview.value = (await response.json()) as Preview;
      this.error.value = null;
      this.retryDelay = FIRST_RETRY_MS;
      await this.draw(body, signal);
    } catch (error) {
      if (!signal.aborted) this.fail(error as RequestFailed);
    }
  }

  private async draw(body: string, signal: AbortSignal): Promise<void> {
    try {
      const response = await post("v1/recipes/preview", body, signal, { Accept: "image/png" });
      const picture = URL.createObjectURL(await response.blob());
      if (this.picture.peek()) URL.revokeObjectURL(this.picture.peek() as string);
      this.picture.value = picture;
      this.pictureError.value = null;
    } catch (error) {
      // The picture of the recipe before it stays.
      if (!signal.aborted) this.pictureError.value = error as RequestFailed;
    }
  }

  private fail(error: RequestFailed): void {
    this.error.value = error;
    const isAway = error.status === 0 || error.status === 503;
    if (!isAway) return;
    this.plan(this.retryDelay);
    this.retryDelay = Math.min(2 * this.retryDelay, LONGEST_RETRY_MS);
  }
}

function post(
  path: string,
  body: string,
  signal: AbortSignal,
  headers: Record<string, string> = {},
): Promise<Response> {
  return request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body,
    signal,
  });
}
