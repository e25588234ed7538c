import type { Json } from "./json";

/** A text that this browser keeps. */
export interface Store {
  /** Returns null also if the browser forbids it. */
  read: () => string | null;
  /** Returns whether the text is kept: a browser may forbid it, and its storage may be full. */
  write: (text: string) => boolean;
}

/** Returns the document that a store has; null if there is none, or another version of the page has written it. */
export function readDocument(store: Store): Json {
  try {
    return JSON.parse(store.read() ?? "null") as Json;
  } catch {
    return null;
  }
}

export function browserStore(name: string): Store {
  // Several services may share a host, each under a path of its own.
  const key = `bakehouse:${location.pathname}:${name}`;
  return {
    read: () => {
      try {
        return localStorage.getItem(key);
      } catch {
        return null;
      }
    },
    write: (text) => {
      try {
        localStorage.setItem(key, text);
        return true;
      } catch {
        return false;
      }
    },
  };
}

/** Returns a store that lasts as long as the tab. */
export function memoryStore(text: string | null = null): Store {
  let kept = text;
  return {
    read: () => kept,
    write: (given) => {
      kept = given;
      return true;
    },
  };
}
