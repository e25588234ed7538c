import { useState } from "preact/hooks";
import { count } from "../../format";
import { ArmsTable } from "./arms_table";
import { DotPlot } from "./dot_plot";
import { Effects } from "./effects";
import { Ensembles } from "./ensembles";
import type { TabProps } from "./experiment";
import { FailedRuns } from "./failed_runs";
import { RunGrid } from "./run_grid";
import { SearchFindings } from "./search_findings";
import { Warnings } from "./warnings";
import { comparedFirst } from "./words";

/** More arms would take a browser too long to draw again with each run that ends. */
const MOST_ARMS = 100;

export function AnswerTab({ live, experiment, results }: TabProps) {
  const [isAll, setAll] = useState(false);
  const { length } = experiment.arms;
  const most = isAll ? length : MOST_ARMS;
  const shown = { ...results, arms: comparedFirst(results.arms, results).slice(0, most) };
  const arms = comparedFirst(experiment.arms, results).slice(0, most);
  return (
    <div class="experiment-parts">
      <Warnings results={results} />
      {length > most && (
        <p>
          The first {most} of {count(length, "arm")} are shown.{" "}
          <button type="button" onClick={() => setAll(true)}>
            Show all
          </button>
        </p>
      )}
      <SearchFindings results={results} />
      <RunGrid experiment={{ ...experiment, arms }} results={shown} />
      <DotPlot results={shown} />
      <ArmsTable results={shown} />
      <FailedRuns live={live} results={results} />
      <Effects experiment={experiment} results={results} />
      <Ensembles live={live} experiment={experiment} results={results} />
    </div>
  );
}
