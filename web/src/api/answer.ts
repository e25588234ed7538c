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
  const [state, setState] = useState<{ path: string; answer: Answer | null; failure: RequestFailed | null }>({
    path,
    answer: null,
    failure: null,
  });
  const load = useCallback(() => {
    get<Answer>(path).then(
      (answer) => setState({ path, answer, failure: null }),
      (failure: RequestFailed) =>
        setState((before) => ({ path, answer: before.path === path ? before.answer : null, failure })),
    );
  }, [path]);
  useEffect(load, [load]);
  // The answer for another path is not shown under this one.
  return state.path === path ? { ...state, load } : { answer: null, failure: null, load };
}
