import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { navigate } from "../../address";
import { useLoaded } from "../../api/answer";
import { create, post, type RequestFailed, randomKey } from "../../api/http";
import type { Experiment, ExperimentPreview } from "../../api/types";
import { count } from "../../format";
import type { Json } from "../../json";
import { Copy } from "../../parts/copy";
import { Failure } from "../../parts/failure";
import { Segments } from "../../parts/options";
import { asQuestionCommand, printJson } from "../../print";
import { useSettled } from "../../settled";
import { type AxisText, asQuestion, gridOf, placesIn } from "./documents";
import "./ask.css";

const KINDS = [
  ["ablation", "What does each ingredient buy?"],
  ["seeds", "Is it chance?"],
  ["grid", "Which values are best?"],
] as const;
type Kind = (typeof KINDS)[number][0];

const EXPLANATIONS: Record<Kind, string> = {
  ablation: "Switches off each ingredient of the recipe alone, and then all of them.",
  seeds: "Trains the recipe alone with several seeds: how much of its result is chance.",
  grid: "Trains all combinations of the values of one or two fields; the first value of each is the baseline.",
};
const MOST_ARMS = 8;

/** A button that makes an experiment of a recipe, in a dialog with a preview of what it would train. */
export function AskButton(props: { recipe: Json; name: string | null; label: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        {props.label}
      </button>
      {isOpen && <AskDialog {...props} onClose={() => setOpen(false)} />}
    </>
  );
}

function AskDialog(props: { recipe: Json; name: string | null; onClose: () => void }) {
  const { recipe, name, onClose } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const [kind, setKind] = useState<Kind>("ablation");
  const [seeds, setSeeds] = useState(5);
  const [axes, setAxes] = useState<readonly AxisText[]>([
    { pointer: "/dropout", values: "0, 0.3" },
    { pointer: "", values: "" },
  ]);
  const question = useMemo(() => {
    const title = KINDS.find(([each]) => each === kind)?.[1] ?? "";
    return { name: name ? `${name}: ${title}` : title, ...asQuestion(recipe, designOf(kind, axes), seeds) };
  }, [recipe, name, kind, axes, seeds]);
  return (
    <dialog ref={dialog} class="ask" aria-labelledby="ask-title" onCancel={onClose} onClose={onClose}>
      <h2 id="ask-title">Make an experiment of this</h2>
      <Segments label="Question" options={KINDS} selected={kind} onSelect={setKind} />
      <p class="quiet">{EXPLANATIONS[kind]}</p>
      {kind === "grid" && <AxisFields recipe={recipe} axes={axes} onChange={setAxes} />}
      <label class="ask-seeds">
        Seeds{" "}
        <input
          type="number"
          min="1"
          max="1000"
          value={seeds}
          onInput={(event) => setSeeds(event.currentTarget.valueAsNumber || 0)}
        />
      </label>
      <Submission question={question} onClose={onClose} />
    </dialog>
  );
}

function designOf(kind: Kind, axes: readonly AxisText[]): Json {
  if (kind === "grid") return gridOf(axes);
  return kind === "seeds" ? { type: "variants", variants: { recipe: {} } } : { type: "ablation" };
}

function AxisFields(props: {
  recipe: Json;
  axes: readonly AxisText[];
  onChange: (axes: readonly AxisText[]) => void;
}) {
  const { recipe, axes, onChange } = props;
  const places = useMemo(() => placesIn(recipe), [recipe]);
  const change = (index: number, changes: Partial<AxisText>) =>
    onChange(axes.map((axis, each) => (each === index ? { ...axis, ...changes } : axis)));
  return (
    <>
      <datalist id="places">
        {places.map((place) => (
          <option key={place} value={place} />
        ))}
      </datalist>
      {axes.map(({ pointer, values }, index) => (
        <div class="axis" key={index}>
          <label>
            {index === 0 ? "Field" : "Second field, or none"}
            <input
              list="places"
              value={pointer}
              placeholder="/norm"
              onInput={(event) => change(index, { pointer: event.currentTarget.value.trim() })}
            />
          </label>
          <label>
            Values
            <input
              value={values}
              placeholder="none, batch_norm"
              onInput={(event) => change(index, { values: event.currentTarget.value })}
            />
          </label>
        </div>
      ))}
    </>
  );
}

/** What the question would train, and the buttons. */
function Submission({ question, onClose }: { question: Json; onClose: () => void }) {
  const body = printJson(question);
  const settled = useSettled(body);
  const { answer, failure } = useLoaded(settled, async () => {
    const response = await post("v1/experiments?validate_only=true", settled);
    return (await response.json()) as ExperimentPreview;
  });
  // The same document asks once, however often its button is pressed.
  const key = useMemo(() => randomKey(), [body]);
  const [isSending, setSending] = useState(false);
  const [error, setError] = useState<RequestFailed | null>(null);
  const ask = async () => {
    setSending(true);
    setError(null);
    try {
      const { id } = await create<Experiment>("v1/experiments", question, { key });
      navigate({ page: "experiments", id });
    } catch (refusal) {
      setError(refusal as RequestFailed);
      setSending(false);
    }
  };
  return (
    <>
      <div class="ask-preview" aria-live="polite">
        {failure ? <Failure error={failure} /> : <p>{answer ? describePreview(answer) : "Checking …"}</p>}
        {error && error.message !== failure?.message && <Failure error={error} />}
      </div>
      <p class="buttons">
        <button type="button" onClick={onClose}>
          Close
        </button>
        <button
          type="button"
          class="primary"
          disabled={isSending || failure !== null}
          onClick={() => void ask()}
        >
          {answer ? describeSubmission(answer.runs - answer.reused) : "Train"}
        </button>
      </p>
      <details>
        <summary>The same from a terminal</summary>
        <Copy text={asQuestionCommand(body)} />
      </details>
    </>
  );
}

function describeSubmission(runs: number): string {
  return runs > 0 ? `Train ${count(runs, "run")}` : "Answer without training";
}

function describePreview({ arms, seeds, runs, reused, seconds, seconds_reason: reason }: ExperimentPreview) {
  const names = arms.slice(0, MOST_ARMS).map((arm) => arm.name);
  const more = arms.length - names.length;
  const parts = [
    `${count(arms.length, "arm")} × ${count(seeds.length, "seed")}: ${count(runs, "run")}`,
    reused > 0 ? `, ${reused} of them trained before` : "",
    seconds ? `; ${seconds.text}` : reason ? `; ${reason}` : "",
  ];
  return `${parts.join("")}. Arms: ${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}.`;
}
