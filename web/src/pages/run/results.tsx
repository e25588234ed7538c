import type { Run } from "../../api/types";
import { formatMetric, spellOut } from "../../format";
import { Table } from "../../parts/table";

/** The metrics of the best and of the last epoch. The test split is measured with the best weights alone. */
export function Results({ run }: { run: Run }) {
  const best = run.best;
  if (!best || !run.last) return null;
  const last = run.last.metrics;
  const names = [...new Set([...Object.keys(last), ...Object.keys(best.metrics ?? {})])];
  return (
    <Table
      label="Metrics of the best and of the last epoch"
      class="run-results"
      rows={sortNames(names)}
      columns={[
        {
          title: "Metric",
          cell: (name) => (
            <>
              {spellOut(name).replace(/^train /, "training ")}
              {name === best.monitor && " "}
              {name === best.monitor && <span class="tag">decides</span>}
            </>
          ),
        },
        {
          title: `Best: epoch ${best.epoch}`,
          isNumber: true,
          cell: (name) => formatMetric(name, best.metrics?.[name]),
        },
        {
          title: `Last: epoch ${run.last.epoch}`,
          isNumber: true,
          cell: (name) => !name.startsWith("test_") && formatMetric(name, last[name]),
        },
      ]}
    />
  );
}

/** Metrics of the test split first, then those of validation, then those of training. */
function sortNames(names: readonly string[]): string[] {
  const rank = (name: string) =>
    ["test_", "validation_", "train_"].findIndex((split) => name.startsWith(split));
  return [...names].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}
