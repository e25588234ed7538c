/** Colours for canvases, which know neither tokens nor `light-dark()`. */

const darkScheme = matchMedia("(prefers-color-scheme: dark)");

/** Returns a function that turns any CSS colour, as it is inside this element, into one that a canvas understands. */
export function colorReader(element: HTMLElement): (color: string) => string {
  const probe = document.createElement("span");
  probe.hidden = true;
  element.append(probe);
  return (color) => {
    probe.style.color = color;
    return getComputedStyle(probe).color;
  };
}

/** Calls a function whenever the system changes between light and dark. Returns what ends it. */
export function onSchemeChange(handle: () => void): () => void {
  darkScheme.addEventListener("change", handle);
  return () => darkScheme.removeEventListener("change", handle);
}
