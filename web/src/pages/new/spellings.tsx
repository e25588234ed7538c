import { useState } from "preact/hooks";
import { Copy } from "../../parts/copy";
import { LANGUAGES, type Language, spell } from "../../print";
import { useForm } from "./context";
import { Choice } from "./controls";

/** The recipe as JSON and the same request in other languages: what the button sends. */
export function Spellings({ seeds }: { seeds: readonly number[] | null }) {
  const { draft } = useForm();
  const [language, setLanguage] = useState<Language>("json");
  return (
    <section class="card" aria-label="The recipe as text">
      <h2>The recipe as text</h2>
      <Choice id="language" label="Language" options={LANGUAGES} selected={language} onSelect={setLanguage} />
      <Copy key={language} text={spell(draft.recipe.value, language, seeds)} />
      {seeds && language === "json" && (
        <p class="quiet">And the same with the seeds {seeds.slice(1).join(", ")}.</p>
      )}
    </section>
  );
}
