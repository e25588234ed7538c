import { addressOf, changeView, query } from "../../address";
import type { Advice, Run } from "../../api/types";
import { Copy } from "../../parts/copy";
import { Segments } from "../../parts/segments";
import type { LiveRun } from "../../runs/live_run";
import type { Json } from "../new/json";
import { asCommand, asCurl, asPython, printJson } from "../new/print";

const LANGUAGES = ["json", "curl", "command", "python"] as const;
const TITLES = { json: "JSON", curl: "curl", command: "Command line", python: "Python" };

/** The canonical recipe, which trains the same model again, in each language; and what was advised about it. */
export function RecipeTab({ run }: { live: LiveRun; run: Run }) {
  const language = LANGUAGES.find((each) => each === query.value.get("as")) ?? "json";
  return (
    <>
      <div class="run-controls">
        <Segments
          label="Language"
          values={LANGUAGES}
          titles={TITLES}
          selected={language}
          onSelect={(each) => changeView({ as: each === "json" ? null : each })}
        />
      </div>
      <p class="quiet">
        This is the canonical recipe: every default is filled in. It gives the same run again.
      </p>
      <Copy key={language} text={printRecipe(run.recipe as unknown as Json, language)} />
      {run.advice.length > 0 && (
        <section class="recipe-advice">
          <h2>Advice when it was submitted</h2>
          {run.advice.map((advice) => (
            <AdviceNotice key={`${advice.code}${advice.pointer}`} run={run} advice={advice} />
          ))}
        </section>
      )}
    </>
  );
}

function printRecipe(recipe: Json, language: (typeof LANGUAGES)[number]): string {
  const service = new URL(".", location.href.split("?")[0]).href;
  const text = printJson(recipe);
  if (language === "curl") return asCurl([text], service);
  if (language === "command") return asCommand(text, service, null);
  return language === "python" ? asPython(recipe, service, null) : text;
}

function AdviceNotice({ run, advice }: { run: Run; advice: Advice }) {
  return (
    <div class={`notice ${advice.severity === "info" ? "info" : "warning"} run-verdict`}>
      <p>
        {advice.pointer && <code>{advice.pointer}</code>} {advice.message} <small>({advice.source})</small>
      </p>
      {(advice.patch?.length ?? 0) > 0 && (
        <a class="button" href={addressOf({ page: "new", from: run.id, advice: advice.code })}>
          Apply to a new recipe
        </a>
      )}
    </div>
  );
}
