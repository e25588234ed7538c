import { useState } from "preact/hooks";
import { useLoaded } from "../../api/answer";
import { get } from "../../api/http";
import type { DatasetSamples } from "../../api/types";
import { count } from "../../format";
import { Table } from "../../parts/table";
import { Waiting } from "../../parts/waiting";

/** More columns than this are not looked at, and would make the page slow. */
const MOST_COLUMNS = 60;

/** Rows of a data set as its files have them. */
export function Samples({ id }: { id: string }) {
  const [seed, setSeed] = useState(0);
  const path = `v1/datasets/${encodeURIComponent(id)}/samples`;
  const loaded = useLoaded(`${path} ${seed}`, () =>
    get<DatasetSamples>(path, { seed }, { headers: { Accept: "application/json" } }),
  );
  const { answer } = loaded;
  return (
    <section class="below">
      <div class="heading">
        <h2>Samples</h2>
        <button type="button" onClick={() => setSeed(seed + 1)}>
          Draw others
        </button>
      </div>
      <Waiting {...loaded} lines={9} label="Loading the samples" />
      {answer && (
        <>
          {answer.png ? (
            <img class="samples" src={`data:image/png;base64,${answer.png}`} alt="The samples" />
          ) : (
            <Rows {...answer} />
          )}
          <p class="quiet">{answer.text}</p>
        </>
      )}
    </section>
  );
}

function Rows({ rows, labels, columns, values }: DatasetSamples) {
  // Sequences may have different numbers of steps.
  const longest = Math.max(0, ...(values ?? []).map((each) => each.length));
  const names = columns ?? Array.from({ length: longest }, (_, index) => String(index));
  return (
    <>
      <Table
        label="Samples"
        rows={rows}
        columns={[
          { title: "Row", cell: (row) => row },
          ...(labels ? [{ title: "Label", cell: (_: number, row: number) => labels[row] }] : []),
          ...names.slice(0, MOST_COLUMNS).map((title, column) => ({
            title,
            cell: (_: number, row: number) => cellText(values?.[row]?.[column]),
          })),
        ]}
      />
      {names.length > MOST_COLUMNS && (
        <p class="quiet">
          The first {MOST_COLUMNS} of {count(names.length, "column")}.
        </p>
      )}
    </>
  );
}

/** Returns a cell, or the numbers of a step, without the noise of binary fractions. */
function cellText(cell: unknown): string {
  return [cell]
    .flat()
    .map((each) => (typeof each === "number" ? Number(each.toPrecision(10)) : each))
    .join(" ");
}
