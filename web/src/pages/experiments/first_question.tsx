import { useState } from "preact/hooks";
import { navigate } from "../../address";
import { useAnswer } from "../../api/answer";
import { create, type RequestFailed } from "../../api/http";
import type { Experiment } from "../../api/types";
import type { Json, JsonObject } from "../../json";
import { Empty } from "../../parts/empty";
import { Failure } from "../../parts/failure";
import { asQuestionCommand, printJson } from "../../print";
import { asQuestion } from "./documents";

interface Examples {
  paths: {
    "/v1/runs": {
      post: {
        requestBody: {
          content: { "application/json": { examples: { first_run: { value: JsonObject } } } };
        };
      };
    };
  };
}

/** What a user without experiments sees: what one answers, and a button that asks the first question. */
export function FirstQuestion() {
  const { answer, failure, load } = useAnswer<Examples>("openapi.json");
  const [error, setError] = useState<RequestFailed | null>(null);
  const [isSending, setSending] = useState(false);
  const examples = answer?.paths["/v1/runs"].post.requestBody.content["application/json"].examples;
  const question: Json =
    (examples && {
      name: "what each ingredient of the first recipe buys",
      ...asQuestion(examples.first_run.value, { type: "ablation" }, 5),
    }) ||
    null;
  const ask = async () => {
    setSending(true);
    setError(null);
    try {
      const { id } = await create<Experiment>("v1/experiments", question);
      navigate({ page: "experiments", id });
    } catch (refusal) {
      setError(refusal as RequestFailed);
      setSending(false);
    }
  };
  return (
    <>
      {failure && <Failure error={failure} onRetry={load} />}
      {error && <Failure error={error} onRetry={() => void ask()} />}
      <Empty
        title="Which ingredient helps, by how much, and is it chance?"
        action={
          <button
            type="button"
            class="primary large"
            disabled={!question || isSending}
            onClick={() => void ask()}
          >
            What does each ingredient of the first recipe buy?
          </button>
        }
        {...(question && { command: asQuestionCommand(printJson(question)) })}
      >
        A run says how good one recipe is with one seed. An <dfn>experiment</dfn> trains several recipes with
        several seeds each, and answers with a difference, its 95 % interval and a verdict. This one switches
        off each ingredient of the first recipe alone, and then all of them, with five seeds each.
      </Empty>
    </>
  );
}
