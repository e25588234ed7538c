import type { ComponentChildren } from "preact";
import type { Ensemble } from "../../api/types";
import { formatMetric, formatWhole, spellOut } from "../../format";
import { Table } from "../../parts/table";

/** The metric of each ensemble beside the mean of its members. */
export function EnsemblesTable(props: {
  ensembles: readonly Ensemble[];
  metric: string;
  /** What a last column has for an ensemble. */
  folderOf?: (ensemble: Ensemble) => ComponentChildren;
}) {
  const { ensembles, metric, folderOf } = props;
  const test = metric.replace(/^validation_/, "test_");
  return (
    <Table
      label="Ensembles"
      class="comparison"
      rows={ensembles}
      keyOf={({ name }) => name}
      columns={[
        { title: "Arm", cell: ({ arm }) => <bdi>{arm}</bdi> },
        { title: "Mean", cell: ({ mean }) => mean },
        { title: "n", isNumber: true, cell: ({ n }) => formatWhole(n) },
        {
          title: `${spellOut(metric)} of the members, mean`,
          isNumber: true,
          cell: ({ members }) => formatMetric(metric, members[metric]),
        },
        {
          title: "of the ensemble",
          isNumber: true,
          cell: ({ validation }) => formatMetric(metric, validation[metric]),
        },
        {
          title: spellOut(test),
          isNumber: true,
          cell: (ensemble) => formatMetric(test, ensemble.test[test]),
        },
        ...(folderOf ? [{ title: "Folder", cell: folderOf }] : []),
      ]}
    />
  );
}
