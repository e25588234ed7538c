/** The rows of the list of runs, kept up to date by the events of the stream. */
import { batch, type Signal, signal } from "@preact/signals";
import type { RunEvent } from "../../api/events";
import { get, type RequestFailed } from "../../api/http";
import type { BriefPage, BriefRun } from "../../api/types";

const PAGE_ROWS = 500;
/** Older runs are loaded when the user asks for them. */
const FIRST_ROWS = 2000;
/** As many as one request may name. */
const MAX_CHANGED = 100;
/** Changes that come within this time are fetched together. */
const PAUSE_MS = 300;

export class RunList {
  /** The ids of the runs, newest first. A change of a run changes its own signal alone. */
  readonly ids = signal<readonly string[]>([]);
  /** New runs that are not in `ids` yet, because that would move the rows that somebody looks at. */
  readonly waiting = signal<readonly string[]>([]);
  /** Null until the first page is there, then whether older runs are left to load. */
  readonly hasMore = signal<boolean | null>(null);
  readonly error = signal<RequestFailed | null>(null);
  /** The rows that are on the screen: the places in the queue of these change without an event of theirs. */
  visible: readonly string[] = [];
  readonly #rows = new Map<string, Signal<BriefRun>>();
  readonly #changed = new Set<string>();
  #isBusy = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  readonly #mayInsert: () => boolean;

  /** `mayInsert` says whether a new row at the top disturbs nobody. */
  constructor(
    readonly label: string,
    mayInsert: () => boolean,
  ) {
    this.#mayInsert = mayInsert;
  }

  row(id: string): Signal<BriefRun> {
    return this.#rows.get(id) as Signal<BriefRun>;
  }

  /** Loads the newest runs; called again when events were lost. */
  load(): Promise<void> {
    return this.#request(async () => {
      const found: string[] = [];
      let page: BriefPage;
      do {
        page = await this.#fetchRows({ limit: PAGE_ROWS, after: found.at(-1) });
        found.push(...page.data.map((row) => row.id));
        // The first page is shown while the next ones are on their way; a list that is shown already does not shrink.
        if (this.ids.peek().length === 0) this.#show(found, page.has_more);
      } while (page.has_more && found.length < Math.max(FIRST_ROWS, this.ids.peek().length));
      this.#show(found, page.has_more);
    });
  }

  loadOlder(): Promise<void> {
    return this.#request(async () => {
      const page = await this.#fetchRows({ limit: PAGE_ROWS, after: this.ids.peek().at(-1) });
      batch(() => {
        this.ids.value = [...this.ids.value, ...page.data.map((row) => row.id)];
        this.hasMore.value = page.has_more;
      });
    });
  }

  handle(event: RunEvent): void {
    this.#changed.add(event.run_id);
    if (event.type === "state") {
      const { status, request } = event.data;
      const row = this.#rows.get(event.run_id);
      if (row) row.value = { ...row.value, status, request };
      for (const id of this.visible) if (this.#rows.get(id)?.peek().queue) this.#changed.add(id);
    }
    this.refreshLater();
  }

  insertWaiting(): void {
    batch(() => {
      this.ids.value = [...this.waiting.value, ...this.ids.value];
      this.waiting.value = [];
    });
  }

  remove(id: string): void {
    const others = (ids: readonly string[]) => ids.filter((each) => each !== id);
    batch(() => {
      this.ids.value = others(this.ids.value);
      this.waiting.value = others(this.waiting.value);
    });
    this.#rows.delete(id);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#changed.clear();
  }

  #show(ids: readonly string[], hasMore: boolean): void {
    batch(() => {
      this.ids.value = [...ids];
      this.waiting.value = [];
      this.hasMore.value = hasMore;
    });
  }

  /** Fetches what has changed, soon; also what could not be fetched while the service was away. */
  refreshLater(): void {
    if (this.#isBusy || this.#timer || this.#changed.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#request(() => this.#refresh());
    }, PAUSE_MS);
  }

  /** Fetches the rows of the runs that have changed. */
  async #refresh(): Promise<void> {
    const asked = [...this.#changed].slice(0, MAX_CHANGED);
    for (const id of asked) this.#changed.delete(id);
    const { data } = await this.#fetchRows({ run: asked, limit: MAX_CHANGED }).catch((error) => {
      for (const id of asked) this.#changed.add(id);
      throw error;
    });
    const found = new Set(data.map((row) => row.id));
    batch(() => {
      this.#addNew(data.map((row) => row.id));
      for (const id of asked) if (!found.has(id) && this.#rows.has(id)) this.remove(id);
    });
  }

  #addNew(found: readonly string[]): void {
    const known = new Set([...this.ids.value, ...this.waiting.value]);
    const added = found.filter((id) => !known.has(id));
    if (added.length === 0) return;
    this.waiting.value = [...added, ...this.waiting.value];
    if (this.#mayInsert()) this.insertWaiting();
  }

  async #fetchRows(choice: {
    limit: number;
    after?: string | undefined;
    run?: string[];
  }): Promise<BriefPage> {
    const label = this.label || undefined;
    const page = await get<BriefPage>("v1/runs", { view: "brief", label, ...choice });
    batch(() => {
      for (const row of page.data) {
        const present = this.#rows.get(row.id);
        if (present) present.value = row;
        else this.#rows.set(row.id, signal(row));
      }
    });
    return page;
  }

  /** One request at a time, so that an older answer never replaces a newer one. */
  async #request(action: () => Promise<void>): Promise<void> {
    this.#isBusy = true;
    try {
      await action();
      this.error.value = null;
      this.#isBusy = false;
      this.refreshLater();
    } catch (error) {
      this.#isBusy = false;
      this.error.value = error as RequestFailed;
    }
  }
}
