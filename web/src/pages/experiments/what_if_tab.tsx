import type { ExperimentWhatIf } from "../../api/types";
import { capitalize, count, formatNumber, formatSeconds, formatWhole, spellOut } from "../../format";
import { Empty } from "../../parts/empty";
import { Failure } from "../../parts/failure";
import { Table } from "../../parts/table";
import { useWhatIf, WhatIfControls } from "../run/what_if";
import type { TabProps } from "./experiment";
import { formatDifference, formatMean } from "./words";

type Pooled = ExperimentWhatIf["answers"][number];

interface Row {
  name: string;
  answer: Pooled | undefined;
}

/** What other early stopping would have done to all runs, and to those of each arm. */
export function WhatIfTab({ experiment, results }: TabProps) {
  const path = `v1/experiments/${experiment.id}/what-if`;
  const asked = useWhatIf<ExperimentWhatIf>(path, 5, String(results.finished));
  const { answer, failure } = asked;
  const epochs = Math.max(...results.arms.map((arm) => arm.epochs ?? 0));
  const [all] = answer?.answers ?? [];
  if (!failure && answer?.runs === 0)
    return <Empty title="The answer appears here with the first epoch">No epoch is measured yet.</Empty>;
  const rows: Row[] = [
    ...(answer?.arms ?? []).map(({ name, answers }) => ({ name, answer: answers[0] })),
    { name: "all runs", answer: all },
  ];
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
      <Table
        label="What another criterion would have done"
        class="comparison"
        rows={rows}
        keyOf={(row) => row.name}
        columns={[
          { title: "Arm", cell: ({ name }) => <bdi>{name}</bdi> },
          { title: "Stops", cell: ({ answer: found }) => found && describeStops(found) },
          {
            title: "Stop epoch, mean",
            isNumber: true,
            cell: ({ answer: found }) => formatNumber(found?.stop_epoch?.mean),
          },
          {
            title: "Epochs saved",
            isNumber: true,
            cell: ({ answer: found }) =>
              found?.epochs_saved == null ? "–" : formatWhole(found.epochs_saved),
          },
          {
            title: "Time saved",
            isNumber: true,
            cell: ({ answer: found }) => formatSeconds(found?.seconds_saved),
          },
          {
            title: "Lost",
            isNumber: true,
            cell: ({ answer: found }) =>
              found?.lost ? formatDifference("", found.lost.mean, found.lost.interval).replace("+", "") : "–",
          },
          {
            title: "Mean then",
            isNumber: true,
            cell: ({ answer: found }) =>
              formatMean(results.metric, found?.value?.mean, found?.value?.interval),
          },
        ]}
      />
      <p class="quiet">
        Lost: by how much the monitor at the best epoch is worse than at the best of all epochs; the mean then
        is that of the {spellOut(results.metric)}. Both with 95 % intervals.
      </p>
      {answer?.not_averaged && <p class="quiet">{answer.not_averaged}</p>}
    </section>
  );
}

function describeStops({ stops, runs, undecided }: Pooled): string {
  const text = `${stops} of ${count(runs, "run")}`;
  return undecided > 0 ? `${text}, ${undecided} undecided` : text;
}
