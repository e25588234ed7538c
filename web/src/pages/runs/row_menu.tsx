import { useState } from "preact/hooks";
import { addressOf } from "../../address";
import type { BriefRun } from "../../api/types";
import { isOver } from "../../runs/status";
import { act, deletion } from "./actions";

/** What can be done with a run. The menu closes when the focus leaves it. */
export function RowMenu({ run }: { run: BriefRun }) {
  const [isOpen, setOpen] = useState(false);
  const close = (event: Event) =>
    (event.currentTarget as HTMLElement).closest("details")?.removeAttribute("open");
  const press = (event: Event, action: () => void) => {
    close(event);
    action();
  };
  return (
    <details
      class="menu"
      onToggle={(event) => setOpen(event.currentTarget.open)}
      onFocusOut={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) close(event);
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        close(event);
        event.currentTarget.querySelector("summary")?.focus();
      }}
    >
      <summary aria-label={`Actions for ${run.name ?? run.id}`}>⋯</summary>
      {isOpen && <Actions run={run} press={press} />}
    </details>
  );
}

interface ActionsProps {
  run: BriefRun;
  press: (event: Event, action: () => void) => void;
}

function Actions({ run, press }: ActionsProps) {
  return (
    <div>
      <a href={addressOf({ page: "run", id: run.id })}>Open</a>
      <a href={addressOf({ page: "new", from: run.id })}>Clone and edit</a>
      {!isOver(run.status) && (
        <>
          {run.status === "running" && (
            <button type="button" onClick={(event) => press(event, () => void act(run.id, "stop"))}>
              Stop and keep the best
            </button>
          )}
          <button type="button" onClick={(event) => press(event, () => void act(run.id, "cancel"))}>
            Cancel
          </button>
        </>
      )}
      {run.best && (
        <a href={`v1/runs/${run.id}/checkpoints/best/model.safetensors`}>Download the best weights</a>
      )}
      {isOver(run.status) && (
        <button
          type="button"
          class="danger"
          onClick={(event) =>
            press(event, () => {
              deletion.value = run;
            })
          }
        >
          Delete …
        </button>
      )}
    </div>
  );
}
