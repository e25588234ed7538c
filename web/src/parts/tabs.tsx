import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface Tab {
  id: string;
  title: string;
}

/** Tabs after the pattern of WAI-ARIA: arrow keys move between them, and the shown one is the only stop of Tab. */
export function Tabs(props: {
  label: string;
  tabs: readonly Tab[];
  selected: string;
  onSelect: (id: string) => void;
  children: ComponentChildren;
}) {
  const buttons = useRef(new Map<string, HTMLElement>()).current;
  // In a narrow window the tabs scroll, and the shown one may be outside. The page itself stays where it is.
  useEffect(() => {
    const button = buttons.get(props.selected);
    const list = button?.parentElement;
    if (list) list.scrollLeft = button.offsetLeft - list.offsetLeft;
  }, [props.selected]);
  const select = (id: string) => {
    props.onSelect(id);
    buttons.get(id)?.focus();
  };
  return (
    <>
      <div
        class="tabs"
        role="tablist"
        aria-label={props.label}
        onKeyDown={(event) => {
          const next = neighbor(props.tabs, props.selected, event.key);
          if (!next) return;
          event.preventDefault();
          select(next.id);
        }}
      >
        {props.tabs.map(({ id, title }) => (
          <button
            key={id}
            type="button"
            role="tab"
            id={`tab-${id}`}
            aria-controls="tab-panel"
            aria-selected={id === props.selected}
            tabIndex={id === props.selected ? 0 : -1}
            ref={(element) => {
              if (element) buttons.set(id, element);
            }}
            onClick={() => props.onSelect(id)}
          >
            {title}
          </button>
        ))}
      </div>
      <div role="tabpanel" id="tab-panel" aria-labelledby={`tab-${props.selected}`}>
        <h2 class="visually-hidden">{props.tabs.find((each) => each.id === props.selected)?.title}</h2>
        {props.children}
      </div>
    </>
  );
}

function neighbor(tabs: readonly Tab[], selected: string, key: string): Tab | undefined {
  const index = tabs.findIndex((each) => each.id === selected);
  if (key === "ArrowRight") return tabs[(index + 1) % tabs.length];
  if (key === "ArrowLeft") return tabs[(index - 1 + tabs.length) % tabs.length];
  if (key === "Home") return tabs[0];
  return key === "End" ? tabs.at(-1) : undefined;
}
