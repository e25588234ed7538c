/** Colours for canvases, which know neither tokens nor `light-dark()`. */

const darkScheme = matchMedia("(prefers-color-scheme: dark)");
/** Reading a colour makes the browser compute styles, which takes too long to do for each line of each frame. */
const known = new Map<string, string>();
darkScheme.addEventListener("change", () => known.clear());

/** Turns any CSS colour, such as `var(--accent)`, into one that a canvas understands. */
export function resolveColor(color: string): string {
  const found = known.get(color);
  if (found) return found;
  const probe = document.createElement("span");
  probe.style.color = color;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  known.set(color, resolved);
  return resolved;
}

/** Calls a function whenever the system changes between light and dark. Returns what ends it. */
export function onSchemeChange(handle: () => void): () => void {
  darkScheme.addEventListener("change", handle);
  return () => darkScheme.removeEventListener("change", handle);
}
