import { type ReadonlySignal, type Signal, signal } from "@preact/signals-core";
import { type Json, type Path, pointerOf, valueAt } from "../../json";
import { useComputed } from "../../watch";
import type { Check } from "./check";
import type { Draft } from "./draft";

export interface Form {
  draft: Draft;
  check: Check;
  /** The problems of the present recipe, by the pointer of the control where each is shown. */
  problems: ReadonlySignal<ReadonlyMap<string, readonly string[]>>;
  /** Texts that are offered for a field, by its pointer: the data sets of this service. */
  suggestions: Signal<ReadonlyMap<string, readonly string[]>>;
}

/** The form that the page shows; there is one at a time. */
const shown = signal<Form | null>(null);

export function showForm(form: Form): void {
  shown.value = form;
}

export function useForm(): Form {
  return shown.value as Form;
}

/** Returns a part of what is at a place; the component is drawn again only if this part changes. */
export function useAt<Part>(path: Path, part: (value: Json | undefined) => Part): Part {
  const { draft } = useForm();
  return useComputed(() => part(valueAt(draft.state.value, path))).value;
}

/** Returns the problems at a place as one text, which is empty if there are none. */
export function useProblems(path: Path): string {
  const { problems } = useForm();
  return useComputed(() => (problems.value.get(pointerOf(path)) ?? []).join("; ")).value;
}

/** Returns the id of the control at a place. */
export function idOf(path: Path): string {
  return `recipe${pointerOf(path)}`;
}

/** Moves the focus to the control at a place, and opens the groups that it is in. */
export function focusField(pointer: string): void {
  const found = document.getElementById(`recipe${pointer}`);
  if (!found) return;
  for (let group = found.closest("details"); group; group = group.parentElement?.closest("details") ?? null) {
    group.open = true;
  }
  const isControl = found.matches("input, select, textarea, button");
  const inside = found.querySelector<HTMLElement>("input, select, textarea, button");
  const target = isControl ? found : (inside ?? found);
  target.scrollIntoView({ block: "center" });
  target.focus({ preventScroll: true });
}
