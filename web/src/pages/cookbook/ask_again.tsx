import { useState } from "preact/hooks";
import { navigate } from "../../address";
import { create, type RequestFailed } from "../../api/http";
import type { Experiment } from "../../api/types";
import type { Json } from "../../json";
import { Copy } from "../../parts/copy";
import { Failure } from "../../parts/failure";
import { asCurl, printJson, serviceAddress } from "../../print";

/** Asks the question of a study again, as an experiment on this machine. */
export function AskAgain({ name, experiment }: { name: string; experiment: Json }) {
  const [isSending, setSending] = useState(false);
  const [failure, setFailure] = useState<RequestFailed | null>(null);
  const ask = async () => {
    setSending(true);
    setFailure(null);
    try {
      const { id } = await create<Experiment>("v1/experiments", experiment);
      navigate({ page: "experiments", id });
    } catch (error) {
      setFailure(error as RequestFailed);
      setSending(false);
    }
  };
  const document = printJson(experiment);
  return (
    <section class="below">
      <div class="heading">
        <h2>Ask it on your data</h2>
        <button type="button" disabled={isSending} onClick={() => void ask()}>
          Make an experiment of this
        </button>
      </div>
      {failure && <Failure error={failure} />}
      <p class="quiet">Change the data set in this document to ask about yours.</p>
      <Copy text={`bakehouse cookbook ${name}`} />
      <Copy text={asCurl([document], serviceAddress(), "v1/experiments")} />
    </section>
  );
}
