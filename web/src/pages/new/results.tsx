/** What the service makes of the recipe: problems, advice, pictures, layers, cost. */
import { useRef, useState } from "preact/hooks";
import type { Advice, Preview } from "../../api/types";
import { count, formatBytes, formatNumber, formatWhole } from "../../format";
import { type Json, placeName } from "../../json";
import { Failure } from "../../parts/failure";
import { Pairs } from "../../parts/pairs";
import { Place } from "../../parts/place";
import { Prose } from "../../parts/prose";
import { Skeleton } from "../../parts/skeleton";
import { Table } from "../../parts/table";
import { isAway } from "./check";
import { focusField, useForm } from "./context";
import { applyPatch, PatchFailed, type PatchStep } from "./patch";

export function Results() {
  const { check } = useForm();
  const preview = check.preview.value;
  const isOld = preview !== null && check.error.value !== null;
  return (
    <>
      <Problems />
      {isOld && <p class="quiet">What follows is about the last valid recipe.</p>}
      {preview ? <AdviceList advice={preview.advice} /> : !check.error.value && <Skeleton lines={4} />}
      <Samples />
      {preview && <Cost preview={preview} />}
      {preview && <Layers preview={preview} />}
    </>
  );
}

/** Why the recipe cannot be trained; pressing a problem leads to its field. */
function Problems() {
  const { check, draft } = useForm();
  const error = check.error.value;
  if (!error) return null;
  if (isAway(error.status) || !error.problem?.errors) {
    return (
      <>
        <Failure error={error} onRetry={() => check.retry()} />
        {isAway(error.status) && (
          <p class="quiet">Your draft stays here, and is checked as soon as the service answers.</p>
        )}
      </>
    );
  }
  return (
    <section class="notice bad" aria-label="Problems">
      <h2>{count(error.problem.errors.length, "problem")}</h2>
      <ul class="problems">
        {error.problem.errors.map((each) => (
          <li key={`${each.pointer}${each.message}`}>
            <button type="button" class="plain" onClick={() => focusField(draft.placeOf(each.pointer ?? ""))}>
              {each.pointer && <Place pointer={each.pointer} />} {each.message}
            </button>
            {each.allowed && <Allowed values={each.allowed} />}
          </li>
        ))}
      </ul>
    </section>
  );
}

const MOST_NAMES = 12;

/** The allowed names; of a range the message has said it. */
function Allowed({ values }: { values: readonly string[] }) {
  const names = values.filter((each) => !/^[<>]/.test(each));
  if (names.length === 0) return null;
  return (
    <small>
      {" "}
      Allowed: {names.slice(0, MOST_NAMES).join(", ") + (names.length > MOST_NAMES ? ", …" : "")}
    </small>
  );
}

function AdviceList({ advice }: { advice: readonly Advice[] }) {
  const { draft } = useForm();
  const heading = useRef<HTMLHeadingElement>(null);
  const [said, setSaid] = useState("");
  const apply = ({ code, patch }: Advice) => {
    try {
      draft.replace(applyPatch(draft.state.value, patch as readonly PatchStep[]), `advice ${code}`);
      setSaid(`Applied ${code}.`);
    } catch (error) {
      if (!(error instanceof PatchFailed)) throw error;
      setSaid(error.message);
    }
    // The advice, and with it the pressed button, is about to go.
    heading.current?.focus();
  };
  return (
    <section class="card" aria-label="Advice">
      <h2 ref={heading} tabIndex={-1}>
        Advice
      </h2>
      <p role="status" class={said === "" ? "visually-hidden" : "quiet"}>
        {said}
      </p>
      {advice.length === 0 && <p class="quiet">None: no known clash between these ingredients.</p>}
      <ul class="advice">
        {advice.map((each) => (
          <li key={`${each.code}${each.pointer}`} class={each.severity}>
            <p>
              <strong>{each.severity}</strong> <code>{each.code}</code>
            </p>
            <p>
              <Prose text={each.message} /> <small>{each.source}</small>
            </p>
            <div class="buttons">
              {each.patch.length > 0 && (
                <button type="button" aria-label={`Apply ${each.code}`} onClick={() => apply(each)}>
                  Apply
                </button>
              )}
              <button
                type="button"
                class="plain"
                onClick={() => focusField(each.pointer)}
                aria-label={`Show the field of ${each.code}, ${placeName(each.pointer)}`}
              >
                Show the field
              </button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Training samples as the recipe changes them. */
function Samples() {
  const { check, draft } = useForm();
  const changes = JSON.stringify((draft.recipe.value as Record<string, Json>).augmentation ?? null);
  // A recipe that cannot be trained cannot be drawn either; its problems are listed above.
  const error = check.error.value ? null : check.pictureError.value;
  const picture = check.picture.value;
  return (
    <section class="card" aria-label="Augmented samples">
      <h2>Augmented samples</h2>
      {picture && (
        <img
          class="samples"
          src={picture}
          alt={`Four samples and eight draws of each; augmentation: ${changes === "null" ? "none" : changes}`}
        />
      )}
      {!picture && !error && <p class="quiet">It appears as soon as the recipe is valid.</p>}
      {error && <p class="quiet">No picture: {error.message}</p>}
    </section>
  );
}

function Cost({ preview }: { preview: Preview }) {
  const { estimate } = preview;
  const facts: [string, string][] = [
    ["Parameters", formatWhole(estimate.parameters)],
    ["Memory", formatBytes(estimate.memory_bytes)],
    ["Operations a sample", formatNumber(estimate.flops_per_sample)],
    ["Steps at most", formatWhole(estimate.steps)],
    ["Time", estimate.seconds?.text ?? estimate.seconds_reason ?? ""],
    [
      "Rows",
      `${formatWhole(estimate.train_rows)} training, ${formatWhole(estimate.validation_rows)} validation, ${formatWhole(estimate.test_rows)} test`,
    ],
  ];
  return (
    <section class="card" aria-label="Cost">
      <h2>Cost</h2>
      <Pairs class="cost" pairs={facts} />
    </section>
  );
}

/** The kinds of layer whose place in the network recipes are mostly about; their rows are marked. */
const MARKED = new Set(["norm", "dropout", "drop_connect"]);

function Layers({ preview }: { preview: Preview }) {
  return (
    <details class="card layers" open>
      <summary>
        <h2>{count(preview.layers.length, "layer")}</h2>
      </summary>
      <Table
        label="Layers"
        rows={preview.layers}
        columns={[
          { title: "Layer", cell: ({ name }) => name },
          { title: "Kind", cell: ({ type }) => (MARKED.has(type) ? <span class="tag">{type}</span> : type) },
          { title: "Output", cell: ({ output }) => output.join(" × ") },
          {
            title: "Parameters",
            isNumber: true,
            cell: ({ parameters }) => parameters > 0 && formatWhole(parameters),
          },
        ]}
      />
    </details>
  );
}
