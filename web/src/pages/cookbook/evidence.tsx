import { formatNumber, isRising } from "../../format";
import { Table } from "../../parts/table";
import {
  type Column,
  describeDifference,
  formatDifference,
  isClear,
  type Row,
  rangeOf,
  type Study,
} from "./study";

type Compared = Row & { difference: NonNullable<Row["difference"]> };

/** What was measured: the differences as a plot, and all numbers as a table. */
export function Evidence({ study }: { study: Study }) {
  const compared = study.rows.filter((each): each is Compared => each.difference !== null);
  const [first] = study.columns;
  return (
    <section class="below">
      <h2>What was measured</h2>
      {first && compared.length > 0 && <Intervals rows={compared} column={first} against={study.against} />}
      <Numbers study={study} />
    </section>
  );
}

/** A dot for each mean difference and a line for its interval, on one scale with 0. */
function Intervals({
  rows,
  column,
  against,
}: {
  rows: readonly Compared[];
  column: Column;
  against: string;
}) {
  const [low, high] = rangeOf(rows.map((each) => each.difference));
  const place = (value: number) => `${(100 * (value - low)) / (high - low)}%`;
  const unit = column.unit === "%" ? "percentage points" : (column.unit ?? "");
  return (
    <figure class="intervals">
      <figcaption>
        {column.label}: difference from <strong>{against}</strong>
        {unit && ` in ${unit}`}, with its 95 % interval.{" "}
        {isRising(column.name) ? "Further right is better." : ""}{" "}
        {rows.map((each) => describeDifference(each.recipe, against, each.difference, column)).join(" ")}
      </figcaption>
      {rows.map(({ recipe, difference }) => (
        <div class="interval" key={recipe} aria-hidden="true">
          <span>{recipe}</span>
          <svg class={isClear(difference) ? "clear" : "unclear"} aria-hidden="true">
            <line class="zero" x1={place(0)} x2={place(0)} y1="0" y2="100%" />
            <line x1={place(difference.low)} x2={place(difference.high)} y1="50%" y2="50%" />
            <circle cx={place(difference.mean)} cy="50%" r="4.5" />
          </svg>
        </div>
      ))}
      <div class="interval quiet" aria-hidden="true">
        <span />
        <span class="scale">
          <span style={{ left: place(0) }}>0</span>
        </span>
      </div>
    </figure>
  );
}

function Numbers({ study: { columns, rows, against, seeds, measured_on, torch } }: { study: Study }) {
  const caption = `Mean ± standard deviation of ${seeds} seeds`;
  return (
    <>
      <Table
        label={caption}
        rows={rows}
        columns={[
          { title: "Recipe", cell: (row) => row.recipe },
          ...columns.map(({ label, unit }, index) => ({
            title: unit ? `${label}, ${unit}` : label,
            isNumber: true,
            cell: ({ cells }: Row) => (
              <>
                {formatNumber(cells[index]?.mean)}
                <span class="quiet"> ± {formatNumber(cells[index]?.spread)}</span>
              </>
            ),
          })),
          {
            title: `against ${against}`,
            isNumber: true,
            cell: (row) => row.difference && formatDifference(row.difference),
          },
        ]}
      />
      <p class="quiet">
        {caption}; differences by seed, with their 95 % interval. Measured on {measured_on} with torch {torch}
        .
      </p>
    </>
  );
}
