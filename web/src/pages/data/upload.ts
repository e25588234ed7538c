/** The uploads of this tab. They go on while another page is shown; after a cut, only missing parts are sent. */
import { signal } from "@preact/signals-core";
import { create, RequestFailed, randomKey, request, send } from "../../api/http";
import type { DatasetListing } from "../../api/types";

/** Small parts, so that little is sent again after a cut; but not too many of them. */
const MIN_PART_BYTES = 2 ** 20;
const MOST_PARTS = 2000;
const RETRY_MS = 3000;

export const uploads = signal<readonly Upload[]>([]);

export class Upload {
  /** The id of the data set, once there is one. */
  id = "";
  readonly key = randomKey();
  readonly name;
  /** The bytes that the service has; null while nothing is sent. */
  readonly sent = signal<number | null>(null);
  readonly failure = signal<RequestFailed | null>(null);
  readonly #cancelling = new AbortController();

  constructor(readonly file: File) {
    this.name = signal(proposeName(file.name));
    uploads.value = [...uploads.value, this];
  }

  /** Sends the file, and goes on by itself after a cut. Returns when all is sent, or refused. */
  async start(): Promise<void> {
    this.failure.value = null;
    this.sent.value = 0;
    while (this.sent.value !== null) {
      try {
        return await this.#send();
      } catch (error) {
        if (this.#cancelling.signal.aborted) return this.#remove();
        // A folder cannot be read, and neither can a file that has changed.
        const unreadable = `${this.file.name} cannot be read. Choose it again; of a folder, make a .zip file.`;
        const failure = error instanceof RequestFailed ? error : new RequestFailed(unreadable, 400);
        this.failure.value = failure;
        if (failure.isFinal) this.sent.value = null;
        else await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  cancel(): void {
    uploads.value = uploads.value.filter((each) => each !== this);
    this.#cancelling.abort();
    if (this.sent.value === null) void this.#remove();
  }

  async #send(): Promise<void> {
    const { file } = this;
    const { id, status, upload } = await this.#open();
    this.id = id;
    const digests: string[] = [];
    const size = Math.min(
      upload?.part_bytes ?? 0,
      Math.max(MIN_PART_BYTES, Math.ceil(file.size / MOST_PARTS)),
    );
    for (let start = 0; status === "uploading" && start < file.size; start += size) {
      const bytes = await file.slice(start, start + size).arrayBuffer();
      const digest = await sha256(bytes);
      const number = digests.push(digest);
      const held = upload?.parts?.find((each) => each.number === number);
      if (held?.bytes !== bytes.byteLength || (digest && held.sha256 !== digest)) {
        await request(`v1/datasets/${id}/parts/${number}`, {
          method: "PUT",
          body: bytes,
          signal: this.#cancelling.signal,
        });
      }
      this.failure.value = null;
      this.sent.value = Math.max(this.sent.value ?? 0, start + bytes.byteLength);
    }
    // With the digests of all parts, so that the service notices bytes that were changed on the way.
    await send("POST", `v1/datasets/${id}/complete`, crypto.subtle && { parts: digests });
  }

  /** Returns the draft with its parts: a new one, or that of an upload of this file that was not completed. */
  async #open(): Promise<DatasetListing> {
    const { name, size, lastModified } = this.file;
    const draft = { name: this.name.value, filename: name, bytes: size };
    const key = encodeURIComponent([draft.name, name, size, lastModified].join()).slice(-200);
    for (let attempt = 0; ; attempt++) {
      try {
        const found = await create<DatasetListing>("v1/datasets", draft, { key: `${key}-${attempt}` });
        if (found.status === "uploading" || found.id === this.id) return found;
      } catch (error) {
        // It was deleted.
        if ((error as RequestFailed).status !== 404) throw error;
      }
    }
  }

  /** Deletes the draft. Where that fails, the service does so after a day. */
  async #remove(): Promise<void> {
    if (this.id) await send("DELETE", `v1/datasets/${this.id}`).catch(() => {});
  }
}

/** Returns the digest in hexadecimal. Browsers compute it only on pages over HTTPS and on localhost; else it is empty. */
async function sha256(bytes: ArrayBuffer): Promise<string> {
  const digest = crypto.subtle ? await crypto.subtle.digest("SHA-256", bytes) : [];
  return Array.from(new Uint8Array(digest), (each) => each.toString(16).padStart(2, "0")).join("");
}

/** Returns a name for the data set of a file: `Pets 2.tar.gz` is `pets_2`. */
export function proposeName(filename: string): string {
  const stem = filename.toLowerCase().replace(/(\.tar)?\.[^.]*$/, "");
  const name = stem.replace(/[^a-z0-9_.-]+/g, "_").slice(0, 64);
  return name.replace(/^[_.-]+|[_.-]+$/g, "") || "data";
}
