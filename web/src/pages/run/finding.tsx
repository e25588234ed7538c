import type { ComponentChildren } from "preact";
import { addressOf } from "../../address";
import type { Advice, Run } from "../../api/types";
import { sentence } from "./state";

/** What was found about a run or its recipe, and the change that would settle it. */
export function Finding(props: {
  run: Run;
  finding: Advice | NonNullable<Run["verdict"]>;
  title: ComponentChildren;
  /** The name in the address of a new recipe that applies the change; none if that is offered elsewhere. */
  change: { patch: string } | { advice: string } | null;
}) {
  const { run, finding, title, change } = props;
  return (
    <div class="run-verdict">
      <p>
        {title} {sentence(finding.message)}
        {finding.source && <small> ({finding.source})</small>}
      </p>
      {change && (finding.patch?.length ?? 0) > 0 && (
        <a class="button" href={addressOf({ page: "new", from: run.id, ...change })}>
          Apply to a new recipe
        </a>
      )}
    </div>
  );
}

export function toneOf(severity: string): string {
  return { error: "bad", warning: "warning" }[severity] ?? "info";
}
