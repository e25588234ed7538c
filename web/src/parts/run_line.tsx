import { runColor, runDash } from "../runs/colors";

/** The colour and the dash of a run, as its curve is drawn. */
export function RunLine({ id }: { id: string }) {
  return (
    <svg class="run-line" viewBox="0 0 26 8" width="26" height="8" aria-hidden="true">
      <path d="M0 4h26" style={{ stroke: runColor(id) }} stroke-dasharray={runDash(id).join(" ")} />
    </svg>
  );
}
