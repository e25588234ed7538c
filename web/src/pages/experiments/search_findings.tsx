import type { Results } from "../../api/types";
import { formatMetric, formatWhole, spellOut } from "../../format";
import { placeName } from "../../json";
import { Table } from "../../parts/table";

const PERCENT = new Intl.NumberFormat("en", { style: "percent" });

/** What a search has found: the trials that were better than all before them, and which places matter. */
export function SearchFindings({ results: { search, metric } }: { results: Results }) {
  if (!search) return null;
  const shares = Object.entries(search.importances ?? {});
  return (
    <section class="card">
      <h2>The search</h2>
      {search.best_so_far.length > 0 && (
        <Table
          label="Trials that were better than all before"
          rows={search.best_so_far}
          columns={[
            { title: "Better than all before: trial", cell: ({ trial }) => formatWhole(trial) },
            { title: spellOut(metric), isNumber: true, cell: ({ value }) => formatMetric(metric, value) },
          ]}
        />
      )}
      {shares.length > 0 && (
        <>
          <Table
            label="Which places matter"
            rows={shares}
            columns={[
              { title: "Place", cell: ([place]) => placeName(place) },
              {
                title: "Share",
                cell: ([place, share]) => (
                  <span class="share">
                    <meter value={share} aria-label={placeName(place)} />
                    {PERCENT.format(share)}
                  </span>
                ),
              },
            ]}
          />
          <p class="quiet">
            The share of each place in what sets the best tenth of the trials apart (PED-ANOVA).
          </p>
        </>
      )}
    </section>
  );
}
