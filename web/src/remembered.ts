/** Values that this browser remembers for this Bakehouse: a draft, a preference. They are the same in all its tabs. */
import { effect, type Signal, signal } from "@preact/signals";

/** Returns a signal whose value survives a reload. */
export function remembered<Value>(name: string, initial: Value): Signal<Value> {
  // Several services may share a host, each under a path of its own.
  const key = `bakehouse:${location.pathname}:${name}`;
  const value = signal<Value>(parse(read(key), initial));
  window.addEventListener("storage", (event) => {
    if (event.key === key) value.value = parse(event.newValue, initial);
  });
  effect(() => write(key, JSON.stringify(value.value)));
  return value;
}

function parse<Value>(text: string | null, initial: Value): Value {
  return text === null ? initial : (JSON.parse(text) as Value);
}

// A browser that is set to block storage throws on each access; the page then works without memory.

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, text: string): void {
  try {
    if (localStorage.getItem(key) !== text) localStorage.setItem(key, text);
  } catch {
    return;
  }
}
