import type { Results } from "../../api/types";
import { sentence } from "../../format";

/** What makes the comparison of an answer unfair, or its intervals unreliable. */
export function Warnings({ results: { warnings } }: { results: Results }) {
  return (
    warnings.length > 0 && (
      <section class="notice warning" aria-label="Warnings">
        <ul>
          {warnings.map((each) => (
            <li key={each.code + each.message}>{sentence(each.message)}</li>
          ))}
        </ul>
      </section>
    )
  );
}
