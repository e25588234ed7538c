import { useState } from "preact/hooks";
import { Copy } from "../../parts/copy";
import { useForm } from "./context";
import { Options } from "./controls";
import { asCommand, asCurl, asPython } from "./print";
import { bodiesOf } from "./submission";

const LANGUAGES = ["JSON", "curl", "Command line", "Python"] as const;
type Language = (typeof LANGUAGES)[number];

/** The recipe as JSON and the same request in other languages: what the button sends. */
export function Spellings({ seeds }: { seeds: readonly number[] | null }) {
  const { draft } = useForm();
  const [language, setLanguage] = useState<Language>("JSON");
  const bodies = bodiesOf(draft.recipe.value, seeds);
  const service = new URL(".", location.href.split("?")[0]).href;
  const texts: Record<Language, () => string> = {
    JSON: () => bodies[0] ?? "",
    curl: () => asCurl(bodies, service),
    "Command line": () => asCommand(draft.text.value, service, seeds && `${seeds[0]}-${seeds.at(-1)}`),
    Python: () => asPython(draft.recipe.value, service, seeds),
  };
  return (
    <section class="card" aria-labelledby="spellings-title">
      <h2 id="spellings-title">The recipe as text</h2>
      <Options
        id="language"
        label="Language"
        options={LANGUAGES.map((each) => ({ key: each, name: each }))}
        chosen={language}
        onChoose={(key) => setLanguage(key as Language)}
      />
      <Copy key={language} text={texts[language]()} />
      {seeds && language === "JSON" && (
        <p class="quiet">And the same with the seeds {seeds.slice(1).join(", ")}.</p>
      )}
    </section>
  );
}
