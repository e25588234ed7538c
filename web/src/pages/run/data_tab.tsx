import { useLoaded } from "../../api/answer";
import { get, type RequestFailed, send } from "../../api/http";
import type { DatasetCard, Run } from "../../api/types";
import { formatWhole } from "../../format";
import { Table } from "../../parts/table";
import { Waiting } from "../../parts/waiting";
import type { LiveRun } from "../../runs/live_run";
import { BriefCard } from "../data/brief_card";

interface Plan {
  estimate: { train_rows: number; validation_rows: number; test_rows: number };
}

interface Found {
  card: DatasetCard | null;
  plan: Plan | null;
}

/** The data set of the run: its card, and the sizes of its splits. */
export function DataTab({ run }: { live: LiveRun; run: Run }) {
  const loaded = useLoaded(run.id, () => loadData(run));
  const { answer: found } = loaded;
  if (!found) return <Waiting {...loaded} lines={5} label="Loading the data set" />;
  const isChanged =
    found.card && run.dataset_fingerprint && run.dataset_fingerprint !== found.card.fingerprint;
  return (
    <div class="cards data-cards">
      {found.card && <BriefCard card={found.card} />}
      {found.plan && <Splits plan={found.plan} run={run} />}
      {isChanged && <p class="notice warning">The data set has changed since the run was submitted.</p>}
    </div>
  );
}

async function loadData(run: Run): Promise<Found> {
  const [datasets, plan] = await Promise.all([
    get<{ data: { id: string; card: DatasetCard | null }[] }>("v1/datasets"),
    loadPlan(run),
  ]);
  return { card: datasets.data.find((each) => each.id === run.recipe.dataset.id)?.card ?? null, plan };
}

/** The sizes follow from the recipe and the data. A data set that is gone, or has changed, has none. */
async function loadPlan(run: Run): Promise<Plan | null> {
  try {
    return await send<Plan>("POST", "v1/runs?validate_only=true", run.recipe);
  } catch (error) {
    if ((error as RequestFailed).isFinal) return null;
    throw error;
  }
}

function Splits({ plan, run }: { plan: Plan; run: Run }) {
  const { train_rows, validation_rows, test_rows } = plan.estimate;
  return (
    <section class="card">
      <h2>Splits</h2>
      <Table
        label="Splits"
        rows={[
          { name: "train", size: train_rows, use: "the model learns from" },
          { name: "validation", size: validation_rows, use: "the best epoch is chosen by" },
          { name: "test", size: test_rows, use: "measured once, at the end" },
        ]}
        columns={[
          { title: "Split", cell: ({ name }) => name },
          { title: "Rows", isNumber: true, cell: ({ size }) => formatWhole(size) },
          { title: "Use", cell: ({ use }) => <span class="quiet">{use}</span> },
        ]}
      />
      <p>
        <a href={`v1/runs/${run.id}/split`} download={`${run.id}-split.json`}>
          Download the row numbers
        </a>
      </p>
    </section>
  );
}
