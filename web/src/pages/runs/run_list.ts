/** The rows of the list of runs, kept up to date by the events of the stream. */
import { batch, type Signal, signal } from "@preact/signals-core";
import type { RunEvent } from "../../api/events";
import { get } from "../../api/http";
import { Loader } from "../../api/loader";
import type { BriefPage, BriefRun } from "../../api/types";

const PAGE_ROWS = 500;
/** Older runs are loaded when the user asks for them. */
const FIRST_ROWS = 2000;
/** As many as one request may name. */
const MAX_CHANGED = 100;
/** What is loaded besides the rows of single runs. */
const NEWEST = "newest";
const OLDER = "older";

export class RunList {
  /** The ids of the runs, newest first. A change of a run changes its own signal alone. */
  readonly ids = signal<readonly string[]>([]);
  /** New runs that are not in `ids` yet, because that would move the rows that somebody looks at. */
  readonly waiting = signal<readonly string[]>([]);
  /** Null until the first page is there, then whether older runs are left to load. */
  readonly hasMore = signal<boolean | null>(null);
  /** The rows that are on the screen: the places in the queue of these change without an event of theirs. */
  visible: readonly string[] = [];
  readonly #rows = new Map<string, Signal<BriefRun>>();
  readonly #loader = new Loader((parts) => this.#load(parts));
  readonly error = this.#loader.error;
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
    return this.#loader.now(NEWEST);
  }

  loadOlder(): Promise<void> {
    return this.#loader.now(OLDER);
  }

  handle(event: RunEvent): void {
    this.#loader.soon(event.run_id);
    if (event.type === "state") {
      const { status, request } = event.data;
      const row = this.#rows.get(event.run_id);
      if (row) row.value = { ...row.value, status, request };
      for (const id of this.visible) if (this.#rows.get(id)?.peek().queue) this.#loader.soon(id);
    }
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
    this.#loader.end();
  }

  async #load(parts: ReadonlySet<string>): Promise<void> {
    const changed = [...parts].filter((part) => part !== NEWEST && part !== OLDER);
    const { length } = this.ids.peek();
    // A list that is shown already does not shrink.
    if (parts.has(NEWEST)) await this.#loadPages([], Math.max(FIRST_ROWS, length));
    else if (parts.has(OLDER)) await this.#loadPages([...this.ids.peek()], length + 1);
    for (let start = 0; start < changed.length; start += MAX_CHANGED)
      await this.#loadChanged(changed.slice(start, start + MAX_CHANGED));
  }

  /** Loads the runs that are older than the last of those found, page by page. */
  async #loadPages(found: string[], least: number): Promise<void> {
    let page: BriefPage;
    do {
      page = await this.#fetchRows({ limit: PAGE_ROWS, after: found.at(-1) });
      found.push(...page.data.map((row) => row.id));
      // The first page is shown while the next ones are on their way.
      if (this.ids.peek().length === 0) this.#show(found, page.has_more);
    } while (page.has_more && found.length < least);
    this.#show(found, page.has_more);
  }

  #show(ids: readonly string[], hasMore: boolean): void {
    batch(() => {
      this.ids.value = [...ids];
      this.waiting.value = this.waiting.value.filter((id) => !ids.includes(id));
      this.hasMore.value = hasMore;
    });
  }

  async #loadChanged(asked: string[]): Promise<void> {
    const { data } = await this.#fetchRows({ run: asked, limit: MAX_CHANGED });
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
}
