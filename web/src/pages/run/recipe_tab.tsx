import { changeView, query } from "../../address";
import type { Run } from "../../api/types";
import type { Json } from "../../json";
import { Copy } from "../../parts/copy";
import { Finding, toneOf } from "../../parts/finding";
import { Segments } from "../../parts/options";
import { Place } from "../../parts/place";
import { LANGUAGES, spell } from "../../print";
import type { LiveRun } from "../../runs/live_run";

/** The canonical recipe, which trains the same model again, in each language; and what was advised about it. */
export function RecipeTab({ run }: { live: LiveRun; run: Run }) {
  const [language] = LANGUAGES.find(([each]) => each === query.value.get("as")) ?? LANGUAGES[0];
  return (
    <>
      <div class="run-controls">
        <Segments
          label="Language"
          options={LANGUAGES}
          selected={language}
          onSelect={(each) => changeView({ as: each === "json" ? null : each })}
        />
      </div>
      <p class="quiet">The canonical recipe: every default is filled in. It gives the same run again.</p>
      <Copy key={language} text={spell(run.recipe as unknown as Json, language, null)} />
      {run.advice.length > 0 && (
        <section class="recipe-advice">
          <h2>Advice when it was submitted</h2>
          {run.advice.map((advice) => (
            <div key={`${advice.code}${advice.pointer}`} class={`notice ${toneOf(advice.severity)}`}>
              <Finding
                finding={advice}
                title={advice.pointer && <Place pointer={advice.pointer} />}
                change={{ from: run.id, advice: advice.code }}
              />
            </div>
          ))}
        </section>
      )}
    </>
  );
}
