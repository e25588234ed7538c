import { useEffect, useState } from "preact/hooks";
import { get, RequestFailed, send } from "../../api/http";
import type { Run } from "../../api/types";
import { formatWhole } from "../../format";
import { Failure } from "../../parts/failure";
import { Skeleton } from "../../parts/skeleton";
import type { LiveRun } from "../../runs/live_run";

interface Card {
  id: string;
  title: string;
  origin: string;
  fingerprint: string;
  kind: string;
  shape: number[];
  task: string;
  classes: string[] | null;
  class_counts: number[] | null;
  notes: string[];
}

interface Plan {
  estimate: { train_rows: number; validation_rows: number; test_rows: number };
}

interface Found {
  card: Card | null;
  plan: Plan | null;
}

/** The data set of the run: its card, the sizes of its splits, and how many rows each class has. */
export function DataTab({ run }: { live: LiveRun; run: Run }) {
  const [found, setFound] = useState<Found | null>(null);
  const [error, setError] = useState<RequestFailed | null>(null);
  const load = async () => {
    setError(null);
    try {
      setFound(await loadData(run));
    } catch (failure) {
      setError(failure as RequestFailed);
    }
  };
  useEffect(() => void load(), [run.id]);
  if (error) return <Failure error={error} onRetry={() => void load()} />;
  if (!found) return <Skeleton lines={5} label="Loading the data set" />;
  return (
    <div class="cards data-cards">
      {found.card && <CardOf card={found.card} run={run} />}
      {found.plan && <Splits plan={found.plan} run={run} />}
      {found.card?.class_counts && <Classes card={found.card} />}
    </div>
  );
}

async function loadData(run: Run): Promise<Found> {
  const [datasets, plan] = await Promise.all([
    get<{ data: { id: string; card: Card | null }[] }>("v1/datasets"),
    loadPlan(run),
  ]);
  return { card: datasets.data.find((each) => each.id === run.recipe.dataset.id)?.card ?? null, plan };
}

/** The sizes follow from the recipe and the data. A data set that is gone, or has changed, has none. */
async function loadPlan(run: Run): Promise<Plan | null> {
  try {
    return await send<Plan>("POST", "v1/runs?validate_only=true", run.recipe);
  } catch (error) {
    if (error instanceof RequestFailed && error.status >= 400 && error.status < 500) return null;
    throw error;
  }
}

function CardOf({ card, run }: { card: Card; run: Run }) {
  const isChanged = run.dataset_fingerprint && run.dataset_fingerprint !== card.fingerprint;
  return (
    <section class="card">
      <h2>{card.id}</h2>
      <p>{card.title}</p>
      <p class="quiet">{card.origin}</p>
      <p>
        {card.kind}, {card.shape.join(" × ")}, {card.task}
      </p>
      {card.notes.map((note) => (
        <p key={note} class="notice warning">
          {note}
        </p>
      ))}
      {isChanged && <p class="notice warning">The data set has changed since the run was submitted.</p>}
    </section>
  );
}

function Splits({ plan, run }: { plan: Plan; run: Run }) {
  const { train_rows, validation_rows, test_rows } = plan.estimate;
  const rows = [
    ["train", train_rows, "the model learns from"],
    ["validation", validation_rows, "the best epoch is chosen by"],
    ["test", test_rows, "measured once, at the end"],
  ] as const;
  return (
    <section class="card">
      <h2>Splits</h2>
      <table>
        <tbody>
          {rows.map(([name, size, about]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class="number">{formatWhole(size)}</td>
              <td class="quiet">{about}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p>
        <a href={`v1/runs/${run.id}/split`} download={`${run.id}-split.json`}>
          Download the row numbers
        </a>
      </p>
    </section>
  );
}

function Classes({ card }: { card: Card }) {
  const counts = card.class_counts ?? [];
  const most = Math.max(...counts, 1);
  return (
    <section class="card">
      <h2>Classes</h2>
      <div class="run-classes">
        <table>
          <thead>
            <tr>
              <th scope="col">Class</th>
              <th scope="col" class="number">
                Rows
              </th>
              <th scope="col">
                <span class="visually-hidden">Compared with the largest class</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {counts.map((size, index) => (
              <tr key={card.classes?.[index] ?? index}>
                <th scope="row">
                  <bdi>{card.classes?.[index] ?? index}</bdi>
                </th>
                <td class="number">{formatWhole(size)}</td>
                <td class="run-share">
                  <span style={{ width: `${(100 * size) / most}%` }} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
