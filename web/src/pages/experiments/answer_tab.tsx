import { sentence } from "../../format";
import { ArmsTable } from "./arms_table";
import { DotPlot } from "./dot_plot";
import { Effects } from "./effects";
import type { TabProps } from "./experiment";
import { FailedRuns } from "./failed_runs";
import { RunGrid } from "./run_grid";

export function AnswerTab({ live, experiment, results }: TabProps) {
  const hasValues = results.arms.some((arm) => arm.n > 0);
  return (
    <div class="experiment-parts">
      {results.warnings.length > 0 && (
        <section class="notice warning" aria-label="Warnings">
          <ul>
            {results.warnings.map((each) => (
              <li key={each.code + each.message}>{sentence(each.message)}</li>
            ))}
          </ul>
        </section>
      )}
      <RunGrid experiment={experiment} results={results} />
      <FailedRuns live={live} results={results} />
      {hasValues && <DotPlot results={results} />}
      <ArmsTable results={results} />
      <Effects experiment={experiment} results={results} />
    </div>
  );
}
