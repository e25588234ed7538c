import type { ExperimentWhatIf } from "../../api/types";
import { count, formatNumber, formatSeconds, formatWhole, spellOut } from "../../format";
import { Table } from "../../parts/table";
import { formatDifference, formatMean } from "./words";

type Pooled = ExperimentWhatIf["answers"][number];

interface Row {
  name: string;
  answer: Pooled | undefined;
}

/** What other early stopping would have done to the runs of each arm, and to all runs; a row for each setting. */
export function WhatIfTable({ found, metric }: { found: ExperimentWhatIf | null; metric: string }) {
  const settings = found?.answers ?? [];
  const rowsOf = (name: string, answers: readonly Pooled[]): Row[] =>
    settings.length > 0 ? answers.map((answer) => ({ name, answer })) : [{ name, answer: undefined }];
  const rows = [
    ...(found?.arms ?? []).flatMap(({ name, answers }) => rowsOf(name, answers)),
    ...rowsOf("all runs", settings),
  ];
  return (
    <>
      <Table
        label="What another criterion would have done"
        class="comparison"
        rows={rows}
        columns={[
          { title: "Arm", cell: ({ name }) => <bdi>{name}</bdi> },
          ...(settings.length > 1
            ? [{ title: "Early stopping", cell: ({ answer }: Row) => answer && spellOut(answer.name) }]
            : []),
          { title: "Stops", cell: ({ answer }) => answer && describeStops(answer) },
          {
            title: "Stop epoch, mean",
            isNumber: true,
            cell: ({ answer }) => formatNumber(answer?.stop_epoch?.mean),
          },
          {
            title: "Epochs saved",
            isNumber: true,
            cell: ({ answer }) => (answer?.epochs_saved == null ? "–" : formatWhole(answer.epochs_saved)),
          },
          {
            title: "Time saved",
            isNumber: true,
            cell: ({ answer }) => formatSeconds(answer?.seconds_saved),
          },
          {
            title: "Lost",
            isNumber: true,
            cell: ({ answer }) =>
              answer?.lost
                ? formatDifference("", answer.lost.mean, answer.lost.interval).replace("+", "")
                : "–",
          },
          {
            title: "Mean then",
            isNumber: true,
            cell: ({ answer }) => formatMean(metric, answer?.value?.mean, answer?.value?.interval),
          },
        ]}
      />
      <p class="quiet">
        Lost: by how much the monitor at the best epoch is worse than at the best of all epochs; the mean then
        is that of the {spellOut(metric)}. Both with 95 % intervals.
      </p>
      {found?.not_averaged && <p class="quiet">{found.not_averaged}</p>}
    </>
  );
}

function describeStops({ stops, runs, undecided }: Pooled): string {
  const text = `${stops} of ${count(runs, "run")}`;
  return undecided > 0 ? `${text}, ${undecided} undecided` : text;
}
