import { useState } from "preact/hooks";
import { useForm } from "./context";
import { readRecipe } from "./draft";

/** Takes a recipe from a pasted text or from a file. */
export function Import({ onDone }: { onDone: (said: string) => void }) {
  const { draft } = useForm();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const take = (given: string, source: string) => {
    try {
      draft.load(readRecipe(given), `import from ${source}`);
      onDone(`Imported from ${source}.`);
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  const takeFile = (file: File | undefined) => {
    if (file)
      file.text().then(
        (given) => take(given, file.name),
        (error: Error) => setProblem(error.message),
      );
  };
  return (
    <section
      class="card import"
      aria-labelledby="import-title"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        takeFile(event.dataTransfer?.files[0]);
      }}
    >
      <h2 id="import-title">Import a recipe</h2>
      <label for="import-text">Paste JSON here, or drop a file</label>
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
        <button type="button" class="primary" onClick={() => take(text, "the pasted text")}>
          Use this recipe
        </button>
        <label class="button">
          Choose a file
          <input
            type="file"
            class="visually-hidden"
            accept=".json,application/json"
            onChange={(event) => takeFile(event.currentTarget.files?.[0])}
          />
        </label>
      </div>
    </section>
  );
}
