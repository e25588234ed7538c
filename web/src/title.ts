/** The title of the tab, by which a user finds it among others. */
import { signal } from "@preact/signals-core";
import { useEffect } from "preact/hooks";

/** What the shown page says of itself, such as the name of a run; null for the page's own title. */
export const title = signal<string | null>(null);

/** Sets the title while the calling component is shown. */
export function useTitle(text: string | null): void {
  useEffect(() => {
    title.value = text;
    return () => {
      title.value = null;
    };
  }, [text]);
}
