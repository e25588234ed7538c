/** An answer of the API that a page shows, with its states: not there yet, there, failed. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { get, type RequestFailed } from "./http";

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
  const nothing = { key, answer: null, failure: null };
  const [state, setState] = useState<{ key: string; answer: Answer | null; failure: RequestFailed | null }>(
    nothing,
  );
  const load = useCallback(() => {
    fetch().then(
      (answer) => setState({ key, answer, failure: null }),
      (failure: RequestFailed) =>
        setState((before) => ({ key, answer: before.key === key ? before.answer : null, failure })),
    );
  }, [key]);
  useEffect(load, [load]);
  // The answer for another key is not shown under this one.
  return { ...(state.key === key ? state : nothing), load };
}
