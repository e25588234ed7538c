/** Values that this browser remembers for this Bakehouse: a draft, a preference. They are the same in all its tabs. */
import { effect, type Signal, signal } from "@preact/signals-core";
import { browserStore, readDocument } from "./store";

/** Returns a signal whose value survives a reload. */
export function remembered<Value>(name: string, initial: Value): Signal<Value> {
  const store = browserStore(name);
  const read = () => (readDocument(store) ?? initial) as Value;
  const value = signal(read());
  // Another tab may have changed it.
  window.addEventListener("storage", () => {
    value.value = read();
  });
  effect(() => void store.write(JSON.stringify(value.value)));
  return value;
}
