/** The list of experiments, newest first, kept up to date by the events of their runs. */
import { signal } from "@preact/signals-core";
import { get } from "../../api/http";
import { Loader } from "../../api/loader";
import { follow } from "../../api/stream";
import type { ExperimentBrief, ExperimentPage, Results } from "../../api/types";

const PAGE = 20;
/** As many as one request answers. */
const MOST = 100;
/** Runs that change within this time change the list once. */
const PAUSE_MS = 700;

export class ListState {
  /** Null until they are loaded. */
  readonly rows = signal<readonly ExperimentBrief[] | null>(null);
  readonly hasMore = signal(false);
  /** Experiments that were made since the list was opened; they would move what is being read. */
  readonly waiting = signal(0);
  /** The answers in words, by the ids of experiments that are over. */
  readonly sentences = signal<ReadonlyMap<string, string>>(new Map());
  readonly #loader = new Loader(() => this.#load());
  readonly error = this.#loader.error;
  /** The sentences were read when the experiments had changed last at these times. */
  readonly #readAt = new Map<string, string>();
  #wanted = PAGE;
  #shown: ReadonlySet<string> | null = null;

  start(): () => void {
    const unfollow = follow(
      { all: true, type: ["deleted", "state"] },
      { load: () => this.load(), handle: () => this.#loader.soon("", PAUSE_MS) },
    );
    return () => {
      unfollow();
      this.#loader.end();
    };
  }

  load(): void {
    void this.#loader.now("");
  }

  showNew(): void {
    this.#shown = null;
    this.load();
  }

  showOlder(): void {
    this.#wanted += PAGE;
    this.load();
  }

  async #load(): Promise<void> {
    const { rows, hasMore } = await fetchRows(this.#wanted);
    const oldest = rows.findIndex((row) => this.#shown?.has(row.id));
    const fresh = this.#shown ? (oldest === -1 ? rows.length : oldest) : 0;
    const isEmpty = this.rows.value?.length === 0;
    const shown = isEmpty ? rows : rows.slice(fresh);
    this.#shown = new Set(shown.map((row) => row.id));
    this.waiting.value = isEmpty ? 0 : fresh;
    this.rows.value = shown;
    this.hasMore.value = hasMore;
    await this.#readSentences(shown);
  }

  /** One after the other: an answer is computed from all runs of its experiment. */
  async #readSentences(rows: readonly ExperimentBrief[]): Promise<void> {
    for (const { id, status, updated_at, counts } of rows) {
      if (status !== "finished" && status !== "cancelled") continue;
      const version = `${updated_at} ${JSON.stringify(counts)}`;
      if (this.#readAt.get(id) === version) continue;
      const { sentence } = await get<Results>(`v1/experiments/${id}/results`);
      this.#readAt.set(id, version);
      this.sentences.value = new Map([...this.sentences.value, [id, sentence]]);
    }
  }
}

async function fetchRows(wanted: number): Promise<{ rows: ExperimentBrief[]; hasMore: boolean }> {
  const rows: ExperimentBrief[] = [];
  for (;;) {
    const limit = Math.min(wanted - rows.length, MOST);
    const page = await get<ExperimentPage>("v1/experiments", { limit, after: rows.at(-1)?.id });
    rows.push(...page.data);
    if (!page.has_more || rows.length >= wanted) return { rows, hasMore: page.has_more };
  }
}
