import type { ComponentChildren } from "preact";
import { addressOf, type Query } from "../address";
import { sentence } from "../format";
import "./finding.css";

/** What was found about a run, its recipe or its data, and the change of a recipe that would settle it. */
export function Finding(props: {
  finding: { message: string; source?: string | null; patch?: readonly unknown[] };
  title: ComponentChildren;
  /** What the address of a new recipe with the change has; null if that is offered elsewhere. */
  change: Query | null;
}) {
  const { finding, title, change } = props;
  return (
    <div class="finding">
      <p>
        {title} {sentence(finding.message)}
        {finding.source && <small> ({finding.source})</small>}
      </p>
      {change && (finding.patch?.length ?? 0) > 0 && (
        <a class="button" href={addressOf({ page: "new", ...change })}>
          Apply to a new recipe
        </a>
      )}
    </div>
  );
}

export function toneOf(severity: string): string {
  return { error: "bad", warning: "warning" }[severity] ?? "info";
}
