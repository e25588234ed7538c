import { useState } from "preact/hooks";
import { FileButton } from "../../parts/files";

interface ImportProps {
  problem: string;
  onText: (text: string) => void;
  onFiles: (files: readonly File[]) => void;
}

/** Takes a recipe from a pasted text or from a file. */
export function Import({ problem, onText, onFiles }: ImportProps) {
  const [text, setText] = useState("");
  return (
    <section class="card import" aria-label="Import a recipe">
      <h2>Import a recipe</h2>
      <label for="import-text">Paste JSON here, or drop a file anywhere on this page</label>
      <textarea
        id="import-text"
        rows={6}
        spellcheck={false}
        value={text}
        aria-invalid={problem !== ""}
        aria-describedby="import-problem"
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <p id="import-problem" class="problem" role="alert">
        {problem}
      </p>
      <div class="buttons">
        <button type="button" class="primary" onClick={() => onText(text)}>
          Use this recipe
        </button>
        <FileButton onFiles={onFiles} />
      </div>
    </section>
  );
}
