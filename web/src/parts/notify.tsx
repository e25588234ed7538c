import { useState } from "preact/hooks";
import { awaitEnd, awaited, dropAwaited, obstacle } from "../notifications";

/** A switch for a notification of the browser when the run ends. If that is impossible, a press says why. */
export function NotifyButton({ runId, name = "it" }: { runId: string; name?: string }) {
  const [isPressed, setPressed] = useState(false);
  const isAwaited = awaited.value.includes(runId);
  const press = async () => {
    if (isAwaited) return dropAwaited(runId);
    await awaitEnd(runId);
    setPressed(true);
  };
  return (
    <>
      <button type="button" aria-pressed={isAwaited} onClick={() => void press()}>
        Notify when {name} ends
      </button>
      {isPressed && !isAwaited && obstacle.value && <small role="status">{obstacle.value}</small>}
    </>
  );
}
