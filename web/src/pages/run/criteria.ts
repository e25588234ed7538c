/** Settings of early stopping that sliders choose. */
import { isRising } from "../../format";
import type { JsonObject } from "../../json";

interface Slider {
  /** The field of the setting. */
  name: string;
  label: string;
  low: number;
  high: number;
  step: number;
  start: number;
}

interface Criterion {
  title: string;
  slider: Slider;
}

/** The criteria by their types, with the ranges of the papers, or a little more. */
export const CRITERIA: Readonly<Record<string, Criterion>> = {
  patience: {
    title: "patience",
    slider: { name: "patience", label: "Epochs without improvement", low: 1, high: 50, step: 1, start: 10 },
  },
  generalization_loss: {
    title: "generalization loss",
    slider: { name: "alpha", label: "Percent above the minimum", low: 0.5, high: 30, step: 0.5, start: 5 },
  },
  progress_quotient: {
    title: "progress quotient",
    slider: {
      name: "alpha",
      label: "Loss of generalization by progress",
      low: 0.1,
      high: 10,
      step: 0.1,
      start: 1,
    },
  },
  successive_increases: {
    title: "successive increases",
    slider: { name: "strips", label: "Worse strips in a row", low: 1, high: 10, step: 1, start: 3 },
  },
};

/** Returns the types of the criteria that can judge a monitor: those that compare losses judge nothing else. */
export function criteriaFor(monitor: string): string[] {
  const comparesLosses = new Set(["generalization_loss", "progress_quotient"]);
  return Object.keys(CRITERIA).filter((type) => !isRising(monitor) || !comparesLosses.has(type));
}

export interface Choice {
  type: string;
  value: number;
  minEpochs: number;
}

/** Returns the choice with another criterion, at the value with which that starts. */
export function withType(choice: Choice, type: string): Choice {
  return { ...choice, type, value: CRITERIA[type]?.slider.start ?? 1 };
}

/** Returns a choice as in a recipe. */
export function settingOf({ type, value, minEpochs }: Choice): JsonObject {
  const name = CRITERIA[type]?.slider.name ?? type;
  return { type, [name]: value, ...(minEpochs > 0 && { min_epochs: minEpochs }) };
}
