import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** Asks before something that cannot be undone. The safe answer has the focus, and Escape gives it. */
export function Confirm(props: {
  title: ComponentChildren;
  children: ComponentChildren;
  action: string;
  keep: string;
  onAnswer: (isConfirmed: boolean) => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onCancel={() => props.onAnswer(false)}>
      <h2 id="confirm-title">{props.title}</h2>
      <p>{props.children}</p>
      <p class="buttons">
        <button type="button" onClick={() => props.onAnswer(false)}>
          {props.keep}
        </button>
        <button type="button" class="danger" onClick={() => props.onAnswer(true)}>
          {props.action}
        </button>
      </p>
    </dialog>
  );
}
