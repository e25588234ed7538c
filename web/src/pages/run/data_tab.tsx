import { useLoaded } from "../../api/answer";
import { get, type RequestFailed, send } from "../../api/http";
import type { DatasetListing, Run } from "../../api/types";
import { formatWhole } from "../../format";
import { Table } from "../../parts/table";
import { Waiting } from "../../parts/waiting";
import type { LiveRun } from "../../runs/live_run";
import { BriefCard } from "../data/brief_card";

interface Plan {
  estimate: { train_rows: number; validation_rows: number; test_rows: number };
}

/** The data set of the run: its card, and the sizes of its splits. */
export function DataTab({ run }: { live: LiveRun; run: Run }) {
  const loaded = useLoaded(run.id, () => loadData(run));
  const { answer: found } = loaded;
  if (!found) return <Waiting {...loaded} lines={5} label="Loading the data set" />;
  const [listing, plan] = found;
  const fingerprint = listing?.card?.fingerprint;
  const isChanged = fingerprint && run.dataset_fingerprint && run.dataset_fingerprint !== fingerprint;
  return (
    <div class="cards data-cards">
      {listing && <BriefCard listing={listing} />}
      {plan && <Splits plan={plan} run={run} />}
      {isChanged && <p class="notice warning">The data set has changed since the run was submitted.</p>}
    </div>
  );
}

/** The sizes of the splits follow from the recipe and the data. */
function loadData({ recipe }: Run) {
  return Promise.all([
    unlessGone(get<DatasetListing>(`v1/datasets/${encodeURIComponent(recipe.dataset.id)}`)),
    unlessGone(send<Plan>("POST", "v1/runs?validate_only=true", recipe)),
  ]);
}

/** Returns null for a data set that is gone, and for what a changed one does not have. */
async function unlessGone<Answer>(answer: Promise<Answer>): Promise<Answer | null> {
  try {
    return await answer;
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
