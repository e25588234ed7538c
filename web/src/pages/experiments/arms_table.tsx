import type { ArmResult, Results } from "../../api/types";
import {
  capitalize,
  count,
  formatMetric,
  formatNumber,
  formatSeconds,
  formatWhole,
  spellOut,
} from "../../format";
import type { Json } from "../../json";
import { placeName } from "../../json";
import { Table } from "../../parts/table";
import { saveCsv } from "../compare/csv";
import { useDefaults } from "../compare/defaults";
import { type Defaults, valueText } from "../compare/fields";
import { formatDifference, formatMean, unitOfDifference } from "./words";

const TONES: Readonly<Record<string, string>> = { better: "good", worse: "bad" };

/** What each arm is, what came out, and how far that is from the baseline. */
export function ArmsTable({ results }: { results: Results }) {
  const { metric, arms, baseline, search } = results;
  const defaults = useDefaults();
  const test = metric.replace(/^validation_/, "test_");
  // From the beginning, so that the table does not change its columns while runs end.
  const isCompared = baseline !== null && arms.length > 1;
  const unit = unitOfDifference(metric);
  const hasFolds = arms.some((arm) => Object.keys(arm.values).some((place) => place.includes("/")));
  return (
    <section class="card">
      <h2>Arms</h2>
      <Table
        label="Arms"
        class="comparison"
        rows={arms}
        keyOf={(arm) => arm.name}
        columns={[
          {
            title: "Arm",
            cell: (arm) => (
              <>
                <bdi>{arm.name}</bdi>
                {arm.name === baseline && <small> baseline</small>}
                {arm.pruned && <small> pruned</small>}
              </>
            ),
          },
          { title: "Differs in", cell: (arm) => <Differs arm={arm} defaults={defaults} /> },
          { title: "n", isNumber: true, cell: (arm) => formatWhole(arm.n) },
          {
            title: "Mean (95 % interval)",
            isNumber: true,
            cell: (arm) => formatMean(metric, arm.mean, arm.interval),
          },
          ...(isCompared
            ? [
                {
                  title: `Difference${unit && `, ${unit}`}`,
                  isNumber: true,
                  cell: ({ difference: found }: ArmResult) =>
                    found && formatDifference(metric, found.mean, found.interval),
                },
                { title: "Verdict", cell: (arm: ArmResult) => <Verdict arm={arm} /> },
              ]
            : []),
          {
            title: capitalize(spellOut(test)),
            isNumber: true,
            cell: (arm: ArmResult) => formatMetric(test, arm.test[test]),
          },
          { title: "Epochs", isNumber: true, cell: (arm) => formatNumber(arm.epochs) },
          { title: "Time", isNumber: true, cell: (arm) => formatSeconds(arm.seconds) },
          {
            title: "Parameters",
            isNumber: true,
            cell: ({ parameters }) => (parameters == null ? "–" : formatWhole(parameters)),
          },
        ]}
      />
      <p class="quiet">
        {hasFolds
          ? `Means of the ${spellOut(metric)} over the seeds and folds, with 95 % intervals that are corrected for the rows that folds share. `
          : `Means of the ${spellOut(metric)} over the seeds, with 95 % intervals by Student's t. `}
        {isCompared && (
          <>
            Differences are from <bdi>{baseline}</bdi>, paired by seed; the p values are adjusted for the
            number of comparisons.{" "}
          </>
        )}
        {search && "The trials are not compared: their values choose among them. "}
        Test values choose nothing.
      </p>
      <Power results={results} />
      <p class="buttons">
        <button type="button" onClick={() => saveCsv(`${results.experiment}.csv`, csvRows(results))}>
          Save the values as CSV
        </button>
      </p>
    </section>
  );
}

function Verdict({ arm: { difference: found, not_compared: reason } }: { arm: ArmResult }) {
  if (!found) return reason && <span title={reason}>not compared</span>;
  const p = found.p_adjusted ?? found.p;
  return (
    <>
      <span class={`verdict ${TONES[found.verdict] ?? ""}`}>{found.verdict}</span>
      {p != null && <small> p {p < 0.001 ? "< 0.001" : p.toFixed(3)}</small>}
    </>
  );
}

/** How large a difference would have been found: what an answer without a clear effect leaves open. */
function Power({ results: { arms, metric } }: { results: Results }) {
  const open = arms.flatMap(({ name, difference: found }) =>
    found?.verdict === "no clear effect" && found.detectable ? [{ name, found, size: found.detectable }] : [],
  );
  if (open.length === 0) return null;
  return (
    <details>
      <summary>How large an effect would have been found?</summary>
      <ul>
        {open.map(({ name, found, size }) => (
          <li key={name}>
            <bdi>{name}</bdi>: {count(found.n, "pair")} would have found a difference of{" "}
            {formatDifference(metric, size, null).replace("+", "")} {unitOfDifference(metric)} four times in
            five
            {found.seeds_for_half && `; half of that takes ${count(found.seeds_for_half, "seed")}`}.
          </li>
        ))}
      </ul>
    </details>
  );
}

function Differs({ arm, defaults }: { arm: ArmResult; defaults: Defaults }) {
  const fields = Object.entries(arm.differs as Record<string, Json>);
  if (fields.length === 0) return <span class="quiet">nothing</span>;
  return (
    <>
      {fields.map(([pointer, value]) => (
        <div key={pointer}>
          {placeName(pointer)}: {typeof value === "number" ? formatNumber(value) : valueText(value, defaults)}
        </div>
      ))}
    </>
  );
}

function csvRows({ arms }: Results) {
  return [
    ["arm", "place", "value"],
    ...arms.flatMap((arm) => Object.entries(arm.values).map(([place, value]) => [arm.name, place, value])),
  ];
}
