import { addressOf } from "../../address";
import type { Json } from "../../json";
import { Copy } from "../../parts/copy";
import { asCurl, asQuestionCommand, printJson, serviceAddress } from "../../print";
import type { TabProps } from "./experiment";

/** The document, with which the question can be asked again, here or elsewhere. */
export function DocumentTab({ experiment }: TabProps) {
  const document = printJson(experiment.document as unknown as Json);
  const report = `v1/experiments/${experiment.id}/report`;
  return (
    <div class="experiment-parts">
      <section class="card">
        <h2>The document</h2>
        <p>
          Posted again, it asks the same question; runs that were trained before are used again. To change it
          first, <a href={addressOf({ page: "new" })}>make another recipe</a>.
        </p>
        <Copy text={document} />
        <p class="quiet">The same from a terminal:</p>
        <Copy text={asQuestionCommand(document)} />
        <p class="quiet">And with curl:</p>
        <Copy text={asCurl([document], serviceAddress(), "v1/experiments")} />
      </section>
      <section class="card">
        <h2>The report</h2>
        <p>What one sends to a colleague: the question, the answer with its tables, and what produced it.</p>
        <p class="buttons">
          <a class="button" href={`${report}?format=html`} download={`${experiment.id}.html`}>
            Download as HTML
          </a>
          <a class="button" href={report} download={`${experiment.id}.md`}>
            Download as Markdown
          </a>
        </p>
      </section>
    </div>
  );
}
