import type { Line } from "./types";
import { lineId } from "./types";

/** The lines with their marks and the values at the cursor. Pressing one hides it, which changes no other. */
export function Legend(props: {
  lines: readonly Line[];
  hidden: ReadonlySet<string>;
  onToggle: (id: string) => void;
  /** Gets the elements that show the values, so that the cursor can change them without drawing the legend again. */
  outputs: Map<string, HTMLElement>;
}) {
  const takeOutput = (id: string) => (element: HTMLElement | null) => {
    if (element) props.outputs.set(id, element);
    else props.outputs.delete(id);
  };
  return (
    <ul class="legend" aria-label="Lines">
      {props.lines
        .filter((line) => !line.isBackground)
        .map((line) => (
          <li key={lineId(line)}>
            <button
              type="button"
              class="plain"
              aria-pressed={!props.hidden.has(lineId(line))}
              title={`Show or hide ${line.label}`}
              onClick={() => props.onToggle(lineId(line))}
            >
              <svg viewBox="0 0 24 8" width="24" height="8" aria-hidden="true" style={{ color: line.color }}>
                <line x1="0" y1="4" x2="24" y2="4" stroke-dasharray={(line.dash ?? []).join(" ")} />
              </svg>
              <span>{line.label}</span>
            </button>
            <span ref={takeOutput(lineId(line))} />
          </li>
        ))}
    </ul>
  );
}
