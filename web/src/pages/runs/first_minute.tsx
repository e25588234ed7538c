import { useState } from "preact/hooks";
import { navigate } from "../../address";
import { useAnswer } from "../../api/answer";
import { create, type RequestFailed } from "../../api/http";
import type { Run } from "../../api/types";
import { Terminal } from "../../parts/empty";
import { Failure } from "../../parts/failure";

interface Examples {
  paths: {
    "/v1/runs": {
      post: {
        requestBody: { content: { "application/json": { examples: { first_run: { value: object } } } } };
      };
    };
  };
}

/** What a new user sees: what a run is, and one button that trains the API's first example. */
export function FirstMinute() {
  const { answer, failure, load } = useAnswer<Examples>("openapi.json");
  const recipe =
    answer?.paths["/v1/runs"].post.requestBody.content["application/json"].examples.first_run.value;
  const [error, setError] = useState<RequestFailed | null>(null);
  const [isSending, setSending] = useState(false);
  const train = async () => {
    setSending(true);
    try {
      const run = await create<Run>("v1/runs", recipe);
      navigate({ page: "run", id: run.id });
    } catch (refusal) {
      setError(refusal as RequestFailed);
      setSending(false);
    }
  };
  const command = recipe && `echo '${JSON.stringify(recipe)}' | bakehouse run -`;
  return (
    <section class="first-minute">
      <h2>Train a first model</h2>
      <p>
        A <dfn>recipe</dfn> is JSON that says what to train: data, network, and what keeps it from
        overfitting. A <dfn>run</dfn> trains one recipe and keeps the weights of its best epoch. This one
        learns to read handwritten digits, and stops when it no longer gets better, in about ten seconds.
      </p>
      {error && <Failure error={error} onRetry={() => void train()} />}
      {failure && <Failure error={failure} onRetry={load} />}
      <p>
        <button
          type="button"
          class="primary large"
          disabled={!recipe || isSending}
          onClick={() => void train()}
        >
          {isSending ? "Submitting …" : "Train it now"}
        </button>
      </p>
      <pre class="recipe">
        <code>{recipe ? JSON.stringify(recipe, null, 2) : "{ … }"}</code>
      </pre>
      {command && <Terminal command={command} />}
    </section>
  );
}
