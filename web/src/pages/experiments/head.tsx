import { useState } from "preact/hooks";
import { navigate } from "../../address";
import { type RequestFailed, send } from "../../api/http";
import type { Experiment, ExperimentDeletion, Results } from "../../api/types";
import { capitalize, count, formatAgo } from "../../format";
import { Confirm } from "../../parts/confirm";
import { Failure } from "../../parts/failure";
import { StatusMark } from "../../parts/status_mark";
import { ExtendButton } from "./extend";
import type { LiveExperiment } from "./live_experiment";
import { Settings, settingsOf } from "./settings";
import { type Action, describeDesign, describeProgress, describeSearch, possibleActions } from "./words";

/** What a user wants to know first, and what can be done. */
export function Head(props: { live: LiveExperiment; experiment: Experiment; results: Results }) {
  const { live, experiment, results } = props;
  const { document, arms, seeds, counts } = experiment;
  const reused = experiment.runs.filter((run) => run.reused).length;
  // With those that are not created yet; those that were given up are over.
  const { finished, runs } = results;
  const givenUp = (experiment.missing ?? []).filter((each) => each.state === "given_up").length;
  return (
    <header>
      <div class="heading">
        <div>
          <h1>
            <bdi>{experiment.name ?? experiment.id}</bdi>
          </h1>
          <p class="experiment-facts">
            <StatusMark status={experiment.status} />
            {experiment.name && <code>{experiment.id}</code>}
            <span>
              {experiment.dataset} · {experiment.architecture}
            </span>
            <span>
              {document.design.type === "search"
                ? describeSearch(document.design.trials, seeds.length, document.folds ?? null)
                : describeDesign(document.design.type, arms.length, seeds.length, document.folds ?? null)}
            </span>
            <span class="quiet">created {formatAgo(experiment.created_at)}</span>
          </p>
          <Settings key={settingsOf(experiment)} live={live} experiment={experiment} />
        </div>
        <Actions live={live} experiment={experiment} />
      </div>
      <div class="experiment-progress">
        <progress value={finished} max={Math.max(runs, 1)} aria-label="Progress in runs" />
        <span>{describeProgress(finished, runs, reused, counts, givenUp)}</span>
      </div>
      {experiment.request && experiment.status === "running" && (
        <p class="notice info" role="status">
          {capitalize(experiment.request)} requested: runs in training come to it after their present step.
        </p>
      )}
      <section class="notice experiment-sentence" aria-label="The answer">
        <p>{results.sentence}</p>
      </section>
    </header>
  );
}

const LABELS: Record<Action, string> = {
  pause: "Pause",
  resume: "Resume",
  stop: "Stop, keep what is there",
  cancel: "Cancel",
};

function Actions({ live, experiment }: { live: LiveExperiment; experiment: Experiment }) {
  const [asking, setAsking] = useState<"cancel" | ExperimentDeletion | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<RequestFailed | null>(null);
  const path = `v1/experiments/${experiment.id}`;
  const attempt = async (action: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    try {
      await action();
    } catch (failure) {
      setError(failure as RequestFailed);
      live.load();
    }
    setBusy(false);
  };
  const act = (action: Action) => attempt(async () => live.take(await send("POST", `${path}/${action}`)));
  const previewDeletion = () =>
    attempt(async () => setAsking(await send<ExperimentDeletion>("DELETE", `${path}?validate_only=true`)));
  const remove = () =>
    attempt(async () => {
      await send("DELETE", path);
      navigate({ page: "experiments" });
    });
  const isOver = experiment.status === "finished" || experiment.status === "cancelled";
  return (
    <div class="experiment-actions">
      <div class="buttons">
        {possibleActions(experiment).map((action) => (
          <button
            key={action}
            type="button"
            disabled={isBusy}
            onClick={() => (action === "cancel" ? setAsking("cancel") : void act(action))}
          >
            {LABELS[action]}
          </button>
        ))}
        {experiment.document.design.type !== "search" && <ExtendButton live={live} experiment={experiment} />}
        {isOver && (
          <button type="button" disabled={isBusy} onClick={() => void previewDeletion()}>
            Delete
          </button>
        )}
      </div>
      {error && <Failure error={error} />}
      {asking === "cancel" && (
        <Confirm
          title="Cancel this experiment?"
          action="Cancel its runs"
          keep="Keep it"
          onAnswer={(isConfirmed) => {
            setAsking(null);
            if (isConfirmed) void act("cancel");
          }}
        >
          Runs that are cancelled cannot be resumed, and have no value. Those that are over stay.
        </Confirm>
      )}
      {asking !== null && asking !== "cancel" && (
        <Confirm
          title={
            <>
              Delete the experiment <bdi>{experiment.name ?? experiment.id}</bdi>?
            </>
          }
          action="Delete it"
          keep="Keep it"
          onAnswer={(isConfirmed) => {
            setAsking(null);
            if (isConfirmed) void remove();
          }}
        >
          {describeDeletion(asking)}
        </Confirm>
      )}
    </div>
  );
}

function describeDeletion({ runs, kept }: ExperimentDeletion): string {
  const gone = `${count(runs.length, "run")} with curves, logs and weights ${runs.length === 1 ? "goes" : "go"} too, for good.`;
  return kept.length === 0
    ? gone
    : `${gone} ${count(kept.length, "run")} ${kept.length === 1 ? "stays" : "stay"}: trained before, or needed by others.`;
}
