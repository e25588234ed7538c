/** The focus after a navigation: at the heading of the page, so that screen readers read it. */

/** Whether the focus was moved to the heading and the user has done nothing since. */
let isAtHeading = false;

export function focusHeading(): void {
  const main = document.getElementById("content");
  const heading = main?.querySelector("h1");
  if (heading) heading.tabIndex = -1;
  (heading ?? main)?.focus({ preventScroll: true });
  isAtHeading = true;
}

/** Follows the heading while it is drawn anew, as the page and what it shows are loaded. */
export function keepFocusAtHeading(): () => void {
  const leave = () => {
    isAtHeading = false;
  };
  const observer = new MutationObserver(() => {
    if (isAtHeading && document.activeElement === document.body) focusHeading();
  });
  observer.observe(document.body, { childList: true, subtree: true });
  for (const type of ["keydown", "pointerdown"]) addEventListener(type, leave, true);
  return () => {
    observer.disconnect();
    for (const type of ["keydown", "pointerdown"]) removeEventListener(type, leave, true);
  };
}
