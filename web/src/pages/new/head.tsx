import { useState } from "preact/hooks";
import { changeView } from "../../address";
import { useDrop } from "../../parts/files";
import { useForm } from "./context";
import { BLANK, readRecipe } from "./draft";
import { Import } from "./import";
import { ORIGIN_NAMES } from "./origin";

/** The title, what can be done with the whole recipe, and what was done with it. */
export function Head({ note }: { note: string }) {
  const { draft } = useForm();
  const [isImporting, setImporting] = useState(false);
  const [problem, setProblem] = useState("");
  const [said, setSaid] = useState("");
  const last = draft.past.value.at(-1);
  const take = (text: string, source: string) => {
    try {
      draft.load(readRecipe(text), `import from ${source}`);
      setSaid(`Imported from ${source}.`);
      setProblem("");
      setImporting(false);
    } catch (error) {
      setProblem(`${source}: ${(error as Error).message}`);
      setImporting(true);
    }
  };
  const takeFiles = ([file]: readonly File[]) => {
    file?.text().then(
      (text) => take(text, file.name),
      (error: Error) => setProblem(error.message),
    );
  };
  useDrop(takeFiles);
  const restart = () => {
    draft.load(BLANK, "start again", "");
    changeView(Object.fromEntries(ORIGIN_NAMES.map((name) => [name, null])));
    setSaid("Started again. Undo brings the draft back.");
  };
  return (
    <>
      <div class="heading">
        <h1>New recipe</h1>
        <div class="buttons">
          <a class="button narrow" href="#train">
            Train
          </a>
          <button type="button" aria-expanded={isImporting} onClick={() => setImporting(!isImporting)}>
            Import
          </button>
          <button
            type="button"
            aria-disabled={!last}
            title={last ? `Undo: ${last.change}` : undefined}
            onClick={() => draft.undo()}
          >
            Undo
          </button>
          <button type="button" onClick={restart}>
            Start again
          </button>
        </div>
      </div>
      {isImporting && (
        <Import problem={problem} onText={(text) => take(text, "the pasted text")} onFiles={takeFiles} />
      )}
      {note && <p class="notice">{note}</p>}
      {!draft.isKept.value && <p class="notice warning">This browser keeps no drafts.</p>}
      <p role="status" class={said ? "quiet" : "visually-hidden"}>
        {said}
      </p>
    </>
  );
}
