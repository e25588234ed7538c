import type { ExperimentWhatIf } from "../../api/types";
import { capitalize } from "../../format";
import { Empty } from "../../parts/empty";
import { Failure } from "../../parts/failure";
import { useWhatIf, WhatIfControls } from "../run/what_if";
import type { TabProps } from "./experiment";
import { WhatIfTable } from "./what_if_table";

/** What other early stopping would have done to all runs, and to those of each arm. */
export function WhatIfTab({ experiment, results }: TabProps) {
  const path = `v1/experiments/${experiment.id}/what-if`;
  const asked = useWhatIf<ExperimentWhatIf>(path, 5, String(results.finished));
  const { answer, failure } = asked;
  const epochs = Math.max(...results.arms.map((arm) => arm.epochs ?? 0));
  const [all] = answer?.answers ?? [];
  if (!failure && answer?.runs === 0)
    return <Empty title="The answer appears here with the first epoch">No epoch is measured yet.</Empty>;
  return (
    <section class="card">
      <p class="quiet">
        Where another criterion would have ended the runs, computed from their curves by the code that trains;
        nothing is trained.
      </p>
      <WhatIfControls {...asked} monitor="validation_loss" epochs={Math.ceil(epochs)} />
      <div class="what-if-answer" role="status">
        {failure ? <Failure error={failure} /> : <strong>{all && `${capitalize(all.sentence)}.`}</strong>}
      </div>
      <WhatIfTable found={answer} metric={results.metric} />
    </section>
  );
}
