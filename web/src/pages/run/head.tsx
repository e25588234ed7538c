import { useState } from "preact/hooks";
import { addressOf, navigate } from "../../address";
import { create, type RequestFailed, send } from "../../api/http";
import type { Run } from "../../api/types";
import { formatAgo, formatNumber, formatSeconds, formatWhole } from "../../format";
import type { Json } from "../../json";
import { Confirm } from "../../parts/confirm";
import { Failure } from "../../parts/failure";
import { Finding, toneOf } from "../../parts/finding";
import { NotifyButton } from "../../parts/notify";
import { type Pair, Pairs } from "../../parts/pairs";
import { Place } from "../../parts/place";
import { StatusMark } from "../../parts/status_mark";
import type { LiveRun } from "../../runs/live_run";
import { isOver } from "../../runs/status";
import { verdictTitle } from "../../runs/verdict";
import { AskButton } from "../experiments/ask";
import { Results } from "./results";
import { describeState, isDiverged, possibleActions } from "./state";

/** What a user wants to know first, and what can be done. */
export function Head({ live, run }: { live: LiveRun; run: Run }) {
  return (
    <header class="run-head">
      <div class="heading">
        <div>
          <h1>
            <bdi>{run.name ?? run.id}</bdi>
          </h1>
          <p class="run-facts">
            <StatusMark status={run.status} />
            {run.name && <code>{run.id}</code>}
            <span>
              {run.recipe.dataset.id} · {run.recipe.architecture.type}
            </span>
            {run.experiment && (
              <a href={addressOf({ page: "experiments", id: run.experiment.id })}>
                experiment, arm <bdi>{run.experiment.arm}</bdi>
              </a>
            )}
            <span class="quiet">{timing(run)}</span>
          </p>
        </div>
        <Actions live={live} run={run} />
      </div>
      <ProgressLine run={run} />
      <div class="run-overview">
        <div>
          <StateNotice run={run} />
          <Verdicts run={run} />
        </div>
        <Results run={run} />
      </div>
    </header>
  );
}

function timing(run: Run): string {
  const parts = [`created ${formatAgo(run.created_at)}`];
  if (run.seconds > 0) parts.push(`trained for ${formatSeconds(run.seconds)}`);
  if (run.attempt > 1) parts.push(`attempt ${run.attempt}`);
  return parts.join(" · ");
}

function ProgressLine({ run }: { run: Run }) {
  const { epoch, epochs, step, steps, patience, epochs_since_best, eta_seconds, samples_per_second } =
    run.progress;
  const facts: Pair[] = [
    ["Epoch", `${formatWhole(epoch)} of ${formatWhole(epochs)}`],
    ["Step", `${formatWhole(step)} of ${formatWhole(steps)}`],
  ];
  if (typeof patience === "number")
    facts.push(["Patience", `${Math.min(epochs_since_best ?? 0, patience)} of ${patience}`]);
  if (run.status === "running")
    facts.push(
      ["Left, at most", formatSeconds(eta_seconds)],
      ["Samples a second", formatNumber(samples_per_second)],
    );
  return (
    <div class="run-progress">
      <progress value={step} max={steps} aria-label="Progress in steps" />
      <Pairs class="" pairs={facts} />
    </div>
  );
}

function StateNotice({ run }: { run: Run }) {
  const state = describeState(run);
  // What changes with each epoch is not read aloud.
  const role = run.status === "running" && !run.request ? {} : { role: "status" as const };
  return (
    <div class={`notice ${state.tone}`} {...role}>
      <p>
        <strong>{state.title}.</strong> {state.text}
      </p>
      {run.failure?.pointer && (
        <p>
          In the recipe: <Place pointer={run.failure.pointer} />
        </p>
      )}
      {isDiverged(run) && (run.verdict?.patch?.length ?? 0) > 0 && (
        <p>
          <a class="button" href={addressOf({ page: "new", from: run.id, patch: "verdict" })}>
            Clone with a lower learning rate
          </a>
        </p>
      )}
    </div>
  );
}

function Verdicts({ run }: { run: Run }) {
  if (!run.verdict) return null;
  const others = run.further_verdicts ?? [];
  return (
    <div class={`notice ${toneOf(run.verdict.severity)}`}>
      <Verdict run={run} verdict={run.verdict} patch="verdict" />
      {others.length > 0 && (
        <details>
          <summary>Further findings</summary>
          {others.map((each) => (
            <Verdict key={each.code} run={run} verdict={each} patch={each.code} />
          ))}
        </details>
      )}
    </div>
  );
}

function Verdict(props: { run: Run; verdict: NonNullable<Run["verdict"]>; patch: string }) {
  const { verdict, run, patch } = props;
  return (
    <Finding
      finding={verdict}
      title={<strong title={verdict.code}>{verdictTitle(verdict.code)}.</strong>}
      change={isDiverged(run) && patch === "verdict" ? null : { from: run.id, patch }}
    />
  );
}

const LABELS = {
  stop: "Stop, keep the best",
  pause: "Pause",
  resume: "Resume",
  retry: "Retry",
  cancel: "Cancel",
};

function Actions({ live, run }: { live: LiveRun; run: Run }) {
  const [isAsking, setAsking] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<RequestFailed | null>(null);
  const act = async (action: keyof typeof LABELS) => {
    setBusy(true);
    setError(null);
    try {
      if (action === "retry") {
        const { id } = await create<Run>(`v1/runs/${run.id}/retry`, undefined);
        navigate({ page: "run", id });
      } else live.take(await send<Run>("POST", `v1/runs/${run.id}/${action}`));
    } catch (failure) {
      setError(failure as RequestFailed);
      live.refresh();
    }
    setBusy(false);
  };
  return (
    <div class="run-actions">
      <div class="buttons">
        {run.best && (
          <a class="button primary" href={`v1/runs/${run.id}/checkpoints/best/model.safetensors`} download>
            Download best
          </a>
        )}
        {possibleActions(run).map((action) => (
          <button
            key={action}
            type="button"
            disabled={isBusy}
            onClick={() => (action === "cancel" ? setAsking(true) : void act(action))}
          >
            {LABELS[action]}
          </button>
        ))}
        <a class="button" href={addressOf({ page: "new", from: run.id })}>
          Clone and edit
        </a>
        <AskButton
          recipe={run.recipe as unknown as Json}
          name={run.name ?? null}
          label="Make an experiment"
        />
        {!isOver(run.status) && <NotifyButton ids={[run.id]} />}
      </div>
      {error && <Failure error={error} />}
      {isAsking && (
        <Confirm
          title="Cancel this run?"
          action="Cancel the run"
          keep="Keep it"
          onAnswer={(isConfirmed) => {
            setAsking(false);
            if (isConfirmed) void act("cancel");
          }}
        >
          A cancelled run cannot be resumed, and has no test result. “Stop, keep the best” ends it with one.
        </Confirm>
      )}
    </div>
  );
}
