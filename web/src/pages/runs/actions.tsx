/** What can be done with runs of the list. */
import { signal } from "@preact/signals-core";
import { type RequestFailed, send } from "../../api/http";
import type { BriefRun } from "../../api/types";
import { formatBytes } from "../../format";
import { Confirm } from "../../parts/confirm";
import { Failure } from "../../parts/failure";

/** The run that the user is asked about before it is deleted. */
export const deletion = signal<BriefRun | null>(null);
export const actionError = signal<RequestFailed | null>(null);
/** What the last action has done, for screen readers and for all others. */
export const outcome = signal<string | null>(null);

export async function act(id: string, action: "stop" | "cancel"): Promise<void> {
  await attempt(() => send("POST", `v1/runs/${id}/${action}`));
}

async function attempt(action: () => Promise<unknown>): Promise<void> {
  actionError.value = null;
  outcome.value = null;
  try {
    await action();
  } catch (error) {
    actionError.value = error as RequestFailed;
  }
}

export function ActionError() {
  return actionError.value && <Failure error={actionError.value} />;
}

/** Asks whether to delete a run. */
export function DeletionDialog({ onDeleted }: { onDeleted: (id: string) => void }) {
  const run = deletion.value;
  const remove = async (id: string) => {
    await attempt(async () => {
      const { bytes_freed } = await send<{ bytes_freed: number }>("DELETE", `v1/runs/${id}`);
      onDeleted(id);
      outcome.value = `Deleted; ${formatBytes(bytes_freed)} are free again.`;
    });
  };
  if (!run) return null;
  return (
    <Confirm
      title={
        <>
          Delete the run <bdi>{run.name ?? run.id}</bdi>?
        </>
      }
      action="Delete it"
      keep="Keep it"
      onAnswer={(isConfirmed) => {
        deletion.value = null;
        if (isConfirmed) void remove(run.id);
      }}
    >
      Its curves, log and weights go too, for good.
    </Confirm>
  );
}
