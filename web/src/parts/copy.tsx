import { useState } from "preact/hooks";

/** A command or a text that can be copied with one press. */
export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [state, setState] = useState<"ready" | "copied" | "refused">("ready");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setState("copied");
    } catch {
      // Browsers refuse the clipboard outside of HTTPS and localhost; the text can still be selected.
      setState("refused");
    }
  };
  return (
    <div class="copy">
      <pre>
        <code>{text}</code>
      </pre>
      <button type="button" onClick={() => void copy()}>
        {state === "ready" ? label : state === "copied" ? "Copied" : "Select and copy it"}
      </button>
    </div>
  );
}
