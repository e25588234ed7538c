import { useState } from "preact/hooks";
import { awaitEnds, awaited, dropAwaited, MAX_AWAITED, obstacle } from "../notifications";

/**
 * A switch for a notification of the browser when the run ends, or of one for each of several runs. If that is
 * impossible, a press says why.
 */
export function NotifyButton({ ids }: { ids: readonly string[] }) {
  const [isPressed, setPressed] = useState(false);
  const wanted = ids.slice(-MAX_AWAITED);
  const isAwaited = wanted.every((id) => awaited.value.includes(id));
  const press = async () => {
    if (isAwaited) return dropAwaited(wanted);
    await awaitEnds(wanted);
    setPressed(true);
  };
  return (
    <>
      <button type="button" aria-pressed={isAwaited} onClick={() => void press()}>
        Notify when {ids.length === 1 ? "it ends" : "they end"}
      </button>
      {isPressed && !isAwaited && obstacle.value && <small role="status">{obstacle.value}</small>}
    </>
  );
}
