import { addressOf } from "../../address";
import type { Experiment, Results } from "../../api/types";
import { count, formatMetric, spellOut } from "../../format";
import { placeOf } from "./words";

type Run = Experiment["runs"][number];
type Missing = NonNullable<Experiment["missing"]>[number];

/** With more columns, a cell has only the mark of its run. */
const MOST_VALUES = 12;

/** A row for each arm, a column for each seed: the status of each run, and its value as soon as there is one. */
export function RunGrid({ experiment, results }: { experiment: Experiment; results: Results }) {
  const places = [...new Set(experiment.runs.map(placeOf))];
  const runs = new Map(experiment.runs.map((run) => [`${run.arm} ${placeOf(run)}`, run]));
  const missing = new Map((experiment.missing ?? []).map((each) => [`${each.arm} ${placeOf(each)}`, each]));
  const values = new Map(results.arms.map((arm) => [arm.name, arm.values]));
  const reused = experiment.runs.filter((run) => run.reused).length;
  const hasFolds = Boolean(experiment.document.folds);
  return (
    <section class="card">
      <h2>Runs</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reachable by keyboard */}
      <section class="scroll" tabIndex={0} aria-label="Runs by arm and seed">
        <table class="run-grid">
          <thead>
            <tr>
              <th scope="col">{hasFolds ? "Arm, by seed/fold" : "Arm, by seed"}</th>
              {places.map((place) => (
                <th key={place} scope="col">
                  {place}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {experiment.arms.map(({ name }) => (
              <tr key={name}>
                <th scope="row" title={name}>
                  <bdi>{name}</bdi>
                  {name === experiment.baseline && <small> baseline</small>}
                </th>
                {places.map((place) => (
                  <td key={place}>
                    <Cell
                      run={runs.get(`${name} ${place}`)}
                      missing={missing.get(`${name} ${place}`)}
                      place={place}
                      metric={results.metric}
                      value={values.get(name)?.[place]}
                      showsValue={places.length <= MOST_VALUES}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <p class="quiet">
        Each mark leads to its run; its value is the {spellOut(results.metric)} of the best epoch.{" "}
        {reused > 0 &&
          `↺: ${count(reused, "run")} had been trained before with the same result to the bit, and ${reused === 1 ? "is" : "are"} used again.`}
      </p>
    </section>
  );
}

function Cell(props: {
  run: Run | undefined;
  missing: Missing | undefined;
  place: string;
  metric: string;
  value: number | undefined;
  showsValue: boolean;
}) {
  const { run, missing, place, metric, value, showsValue } = props;
  if (!run) return missing ? <NotCreated missing={missing} /> : null;
  const text = value === undefined ? run.status : formatMetric(metric, value);
  const label = `${run.arm}, seed ${place}: ${text}${run.reused ? ", trained before" : ""}`;
  return (
    <a
      class={`status ${run.status}`}
      href={addressOf({ page: "run", id: run.run })}
      aria-label={label}
      title={label}
    >
      {showsValue && (
        <span>{value === undefined ? (run.status === "succeeded" ? "no value" : "") : text}</span>
      )}
      {run.reused && <span>↺</span>}
    </a>
  );
}

/** A run that is created as soon as those have succeeded that it builds on. */
function NotCreated({ missing: { state, message } }: { missing: Missing }) {
  return (
    <span class="quiet" title={message}>
      {state === "given_up" ? "not trained" : "waits"}
    </span>
  );
}
