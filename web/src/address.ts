/** The address is the view: `?page=run&id=run_…&x=step`. Whoever opens the same address sees the same. */
import { computed, signal } from "@preact/signals-core";

const search = signal(location.search);

export const query = computed(() => new URLSearchParams(search.value));
/** Name of the shown page; the home page has none. */
export const pageName = computed(() => query.value.get("page") ?? "");

/** Counts how often another view was shown; a change of the present view does not count. */
export const navigations = signal(0);

export type Query = Record<string, string | readonly string[] | null | undefined>;

/** Returns the address of a view. Names without a value, and empty lists, are left out. */
export function addressOf(view: Query): string {
  const entries = Object.entries(view)
    .map(([name, value]) => [name, typeof value === "string" ? value : (value ?? []).join(",")] as const)
    .filter(([, value]) => value !== "");
  // Commas and colons are legal in a query, and the address is shorter and easier to read with them.
  const text = entries.map(
    ([name, value]) => `${name}=${encodeURIComponent(value).replace(/%2C/g, ",").replace(/%3A/g, ":")}`,
  );
  return text.length > 0 ? `?${text.join("&")}` : location.pathname;
}

/** Shows another page, as a new entry of the browser's history. */
export function navigate(view: Query): void {
  showAddress(addressOf(view));
}

function showAddress(address: string): void {
  history.pushState(null, "", address);
  search.value = location.search;
  navigations.value += 1;
  window.scrollTo(0, 0);
}

/** Changes some names of the present view, such as an axis, without a new entry of the history. */
export function changeView(changes: Query): void {
  history.replaceState(null, "", addressOf({ ...Object.fromEntries(query.value), ...changes }));
  search.value = location.search;
}

/** Returns the names in a list such as `runs=a,b`. */
export function listed(name: string): string[] {
  return (query.value.get(name) ?? "").split(",").filter((each) => each !== "");
}

/** Puts a name into a list of the present view, or takes it out. */
export function toggleListed(name: string, value: string): void {
  const others = listed(name).filter((each) => each !== value);
  changeView({ [name]: listed(name).includes(value) ? others : [...others, value] });
}

/** Lets links to views change the view without loading the page again. */
export function followLinks(): void {
  window.addEventListener("popstate", () => {
    // A jump within the page is an entry of the history too.
    if (search.value === location.search) return;
    search.value = location.search;
    navigations.value += 1;
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    const isPlain =
      event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !isPlain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || link.pathname !== location.pathname) return;
    if (link.hash && link.search === location.search) return;
    event.preventDefault();
    showAddress(link.href);
  });
}
