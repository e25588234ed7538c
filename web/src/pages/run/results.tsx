import type { Run } from "../../api/types";
import { formatMetric, spellOut } from "../../format";

/** The metrics of the best and of the last epoch. The test split is measured with the best weights alone. */
export function Results({ run }: { run: Run }) {
  const best = run.best;
  if (!best || !run.last) return null;
  const last = run.last.metrics;
  const names = [...new Set([...Object.keys(last), ...Object.keys(best.metrics ?? {})])];
  return (
    <div class="scroll">
      <table class="run-results">
        <caption class="visually-hidden">Metrics of the best and of the last epoch</caption>
        <thead>
          <tr>
            <th scope="col">Metric</th>
            <th scope="col" class="number">
              Best: epoch {best.epoch}
            </th>
            <th scope="col" class="number">
              Last: epoch {run.last.epoch}
            </th>
          </tr>
        </thead>
        <tbody>
          {sortNames(names).map((name) => (
            <tr key={name}>
              <th scope="row">
                {spellOut(name).replace(/^train /, "training ")}
                {name === best.monitor && <span class="tag">decides</span>}
              </th>
              <td class="number">{formatMetric(name, best.metrics?.[name])}</td>
              <td class="number">{name.startsWith("test_") ? "" : formatMetric(name, last[name])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Metrics of the test split first, then those of validation, then those of training. */
function sortNames(names: readonly string[]): string[] {
  const rank = (name: string) =>
    ["test_", "validation_", "train_"].findIndex((split) => name.startsWith(split));
  return [...names].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}
