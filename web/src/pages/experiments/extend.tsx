import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useLoaded } from "../../api/answer";
import { create, post, type RequestFailed, randomKey } from "../../api/http";
import type { Experiment, ExtensionPreview } from "../../api/types";
import { count } from "../../format";
import { Failure } from "../../parts/failure";
import { printJson } from "../../print";
import { useSettled } from "../../settled";
import { asExtension, type Extension, fieldOf } from "./extension";
import type { LiveExperiment } from "./live_experiment";
import "./ask.css";

/** A button that adds seeds, variants or values of axes, in a dialog with a preview of what that would train. */
export function ExtendButton({ live, experiment }: { live: LiveExperiment; experiment: Experiment }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Extend
      </button>
      {isOpen && <ExtendDialog live={live} experiment={experiment} onClose={() => setOpen(false)} />}
    </>
  );
}

function ExtendDialog(props: { live: LiveExperiment; experiment: Experiment; onClose: () => void }) {
  const { live, experiment, onClose } = props;
  const { design } = experiment.document;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const [added, setAdded] = useState<Extension>({ seeds: 5, name: "", patch: "", axes: {} });
  const change = (changes: Partial<Extension>) => setAdded((before) => ({ ...before, ...changes }));
  const asked = asExtension(experiment, added);
  const { failure, preview, isSending, submit } = useExtension(live, asked.body, onClose);
  const problems = [...asked.problems, ...(failure?.problem?.errors ?? [])];
  const problem = (field: string) =>
    problems
      .filter((each) => fieldOf(each.pointer ?? "") === field)
      .map((each) => each.message)
      .join("; ") || null;
  const isElsewhere =
    failure !== null && !(failure.problem?.errors ?? []).every((each) => fieldOf(each.pointer ?? ""));
  return (
    <dialog ref={dialog} class="ask" aria-labelledby="extend-title" onCancel={onClose} onClose={onClose}>
      <h2 id="extend-title">Extend this experiment</h2>
      <p class="quiet">What was trained is not trained again.</p>
      <Field label="Number of seeds to add" problem={problem("seeds")}>
        {(described) => (
          <input
            type="number"
            min="0"
            max="1000"
            value={added.seeds}
            onInput={(event) => change({ seeds: event.currentTarget.valueAsNumber || 0 })}
            {...described}
          />
        )}
      </Field>
      {design.type === "variants" && (
        <>
          <Field label="Name of a further arm, or none" problem={problem("name")}>
            {(described) => (
              <input
                value={added.name}
                maxLength={100}
                placeholder="with dropout"
                onInput={(event) => change({ name: event.currentTarget.value })}
                {...described}
              />
            )}
          </Field>
          <Field label="What it changes in the recipe, as JSON" problem={problem("patch")}>
            {(described) => (
              <textarea
                rows={3}
                value={added.patch}
                placeholder={'{"dropout": 0.3}'}
                onInput={(event) => change({ patch: event.currentTarget.value })}
                {...described}
              />
            )}
          </Field>
        </>
      )}
      {design.type === "grid" &&
        Object.keys(design.axes).map((axis) => (
          <Field key={axis} label={`Further values of ${axis}`} problem={problem(axis)}>
            {(described) => (
              <input
                value={added.axes[axis] ?? ""}
                placeholder="none"
                onInput={(event) => change({ axes: { ...added.axes, [axis]: event.currentTarget.value } })}
                {...described}
              />
            )}
          </Field>
        ))}
      <div class="ask-preview" aria-live="polite">
        {isElsewhere && failure ? (
          <Failure error={failure} />
        ) : (
          <p>{describeAddition(asked.body, problems.length, preview)}</p>
        )}
      </div>
      <p class="buttons">
        <button type="button" onClick={onClose}>
          Close
        </button>
        <button
          type="button"
          class="primary"
          disabled={isSending || asked.body === null || problems.length > 0 || failure !== null}
          onClick={() => void submit()}
        >
          {preview ? describeSubmission(preview.runs - preview.reused) : "Extend"}
        </button>
      </p>
    </dialog>
  );
}

/** The preview of an extension while it is written, and what sends it. */
function useExtension(live: LiveExperiment, asked: object | null, onDone: () => void) {
  const path = `v1/experiments/${live.id}/extend`;
  const body = asked ? printJson(asked as never) : "";
  const settled = useSettled(body);
  const { answer, failure } = useLoaded(settled, async () => {
    if (settled === "") return null;
    const response = await post(`${path}?validate_only=true`, settled);
    return (await response.json()) as ExtensionPreview;
  });
  // The same extension is sent once, however often its button is pressed.
  const key = useMemo(() => randomKey(), [body]);
  const [isSending, setSending] = useState(false);
  const [error, setError] = useState<RequestFailed | null>(null);
  useEffect(() => setError(null), [body]);
  const submit = async () => {
    setSending(true);
    setError(null);
    try {
      live.take(await create<Experiment>(path, asked, { key }));
      onDone();
    } catch (refusal) {
      setError(refusal as RequestFailed);
      setSending(false);
    }
  };
  const isSettled = settled === body;
  return {
    preview: isSettled ? answer : null,
    failure: error ?? (isSettled ? failure : null),
    isSending,
    submit,
  };
}

interface Control {
  id: string;
  "aria-invalid": boolean;
  "aria-describedby"?: string;
}

/** A field with what is wrong about it below. */
function Field(props: {
  label: string;
  problem: string | null;
  children: (control: Control) => ComponentChildren;
}) {
  const { label, problem, children } = props;
  const id = `extend-${label.replaceAll(/[^a-zA-Z]+/g, "-")}`;
  const control = { id, "aria-invalid": problem !== null };
  return (
    <div class="extend-field">
      <label htmlFor={id}>{label}</label>
      {children(problem ? { ...control, "aria-describedby": `${id}-problem` } : control)}
      {problem && (
        <p id={`${id}-problem`} class="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

function describeSubmission(runs: number): string {
  return runs > 0 ? `Train ${count(runs, "run")}` : "Extend without training";
}

function describeAddition(body: object | null, problems: number, preview: ExtensionPreview | null): string {
  if (problems > 0) return "Nothing is sent until that is right.";
  if (!body) return "Nothing is added yet.";
  if (!preview) return "Checking …";
  const { arms, seeds, runs, reused, seconds, seconds_reason: reason } = preview;
  const added = [
    ...(arms.length > 0
      ? [`${count(arms.length, "arm")} (${arms.slice(0, 5).join(", ")}${arms.length > 5 ? ", …" : ""})`]
      : []),
    ...(seeds.length > 0 ? [count(seeds.length, "seed")] : []),
  ].join(" and ");
  const parts = [
    `Adds ${added || "nothing"}: ${count(runs, "new run")}`,
    reused > 0 ? `, ${reused} of them trained before` : "",
    runs > reused && seconds ? `; ${seconds.text}` : runs > reused && reason ? `; ${reason}` : "",
  ];
  return `${parts.join("")}.`;
}
