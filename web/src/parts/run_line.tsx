import type { Style } from "../runs/colors";

/** The colour and the dash of a run, as its curve is drawn. */
export function RunLine({ color, dash }: Style) {
  return (
    <svg class="run-line" viewBox="0 0 26 8" width="26" height="8" aria-hidden="true">
      <path d="M0 4h26" style={{ stroke: color }} stroke-dasharray={dash.join(" ")} />
    </svg>
  );
}
