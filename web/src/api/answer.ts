/** An answer of the API that a page shows, with its states: not there yet, there, failed. */
import { signal } from "@preact/signals-core";
import { useEffect, useMemo } from "preact/hooks";
import { get, type RequestFailed } from "./http";
import { Loader } from "./loader";

export interface Answered<Answer> {
  /** Null until it is there; the last good answer while a newer one is loaded, or could not be. */
  answer: Answer | null;
  failure: RequestFailed | null;
  load: () => void;
}

/** Loads the answer of a path, and loads again when `load` is called. */
export function useAnswer<Answer>(path: string): Answered<Answer> {
  return useLoaded(path, () => get<Answer>(path));
}

/** Loads what a function fetches, anew for each key. */
export function useLoaded<Answer>(key: string, fetch: () => Promise<Answer>): Answered<Answer> {
  // The answer for another key is not shown under this one.
  const { answer, loader } = useMemo(() => {
    const answer = signal<Answer | null>(null);
    const loader = new Loader(async () => {
      answer.value = await fetch();
    });
    return { answer, loader };
  }, [key]);
  const load = () => void loader.now("");
  useEffect(() => {
    load();
    return () => loader.end();
  }, [loader]);
  return { answer: answer.value, failure: loader.error.value, load };
}
