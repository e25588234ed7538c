import { useRef, useState } from "preact/hooks";
import { useLoaded } from "../../api/answer";
import { type RequestFailed, send } from "../../api/http";
import { clamp } from "../../charts/scale";
import { formatNumber } from "../../format";
import { Segments } from "../../parts/options";
import { useSettled } from "../../settled";
import { type Choice, CRITERIA, criteriaFor, settingOf, withType } from "./criteria";
import "./what_if.css";

/** Another setting of early stopping, and what the service says that it would have done. */
export interface Asked<Answer> {
  choice: Choice;
  onChoice: (choice: Choice) => void;
  /** The last answer, while a newer one is computed. */
  answer: Answer | null;
  failure: RequestFailed | null;
}

/** Asks about a setting as soon as its sliders rest. With another version, what was measured has changed. */
export function useWhatIf<Answer>(path: string, patience: number, version: string): Asked<Answer> {
  const [choice, setChoice] = useState<Choice>({
    type: "patience",
    value: clamp(patience, 1, CRITERIA.patience?.slider.high ?? 1),
    minEpochs: 0,
  });
  const question = JSON.stringify({ early_stopping: [settingOf(choice)] });
  const settled = useSettled(`${version} ${question}`);
  const { answer, failure } = useLoaded(settled, () =>
    send<Answer>("POST", path, JSON.parse(settled.slice(settled.indexOf(" ") + 1))),
  );
  const last = useRef<Answer | null>(null);
  if (answer) last.current = answer;
  return { choice, onChoice: setChoice, answer: answer ?? last.current, failure };
}

export function WhatIfControls(props: {
  choice: Choice;
  onChoice: (choice: Choice) => void;
  monitor: string;
  epochs: number;
}) {
  const { choice, onChoice, monitor, epochs } = props;
  const slider = CRITERIA[choice.type]?.slider;
  if (!slider) return null;
  return (
    <div class="what-if-controls">
      <Segments
        label="Early stopping by"
        options={criteriaFor(monitor).map((type) => [type, CRITERIA[type]?.title ?? type])}
        selected={choice.type}
        onSelect={(type) => onChoice(withType(choice, type))}
      />
      <SliderField {...slider} value={choice.value} onInput={(value) => onChoice({ ...choice, value })} />
      <SliderField
        label="Never before epoch"
        low={0}
        high={Math.max(epochs, 1)}
        step={1}
        value={choice.minEpochs}
        onInput={(minEpochs) => onChoice({ ...choice, minEpochs })}
      />
    </div>
  );
}

function SliderField(props: {
  label: string;
  low: number;
  high: number;
  step: number;
  value: number;
  onInput: (value: number) => void;
}) {
  const { label, low, high, step, value, onInput } = props;
  return (
    <label class="what-if-slider">
      <span>{label}</span>
      <input
        type="range"
        min={low}
        max={high}
        step={step}
        value={value}
        onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
      />
      <output>{formatNumber(value)}</output>
    </label>
  );
}
