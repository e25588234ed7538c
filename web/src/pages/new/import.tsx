import { useState } from "preact/hooks";

interface ImportProps {
  problem: string;
  onText: (text: string) => void;
  onFile: (file: File) => void;
}

/** Takes a recipe from a pasted text or from a file. */
export function Import({ problem, onText, onFile }: ImportProps) {
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
        <label class="button">
          Choose a file
          <input
            type="file"
            class="visually-hidden"
            accept=".json,application/json"
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              // The same file can be chosen again after it was changed.
              event.currentTarget.value = "";
              if (file) onFile(file);
            }}
          />
        </label>
      </div>
    </section>
  );
}
