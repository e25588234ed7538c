/** Values that this browser remembers for this Bakehouse: a draft, a preference. They are the same in all its tabs. */
import { effect, type Signal, signal } from "@preact/signals";
import { browserStore, storageKey } from "./store";

/** Returns a signal whose value survives a reload. */
export function remembered<Value>(name: string, initial: Value): Signal<Value> {
  const store = browserStore(name);
  const value = signal<Value>(parse(store.read(), initial));
  window.addEventListener("storage", (event) => {
    if (event.key === storageKey(name)) value.value = parse(event.newValue, initial);
  });
  effect(() => void store.write(JSON.stringify(value.value)));
  return value;
}

function parse<Value>(text: string | null, initial: Value): Value {
  return text === null ? initial : (JSON.parse(text) as Value);
}
