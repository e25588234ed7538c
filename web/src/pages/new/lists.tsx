/** Lists of a recipe, whose items can be added, removed and moved. */
import { useState } from "preact/hooks";
import { spellOut } from "../../format";
import { isList, type Json, type Path, pointerOf } from "../../json";
import { Select } from "../../parts/options";
import { focusField, idOf, useAt, useForm } from "./context";
import { type ControlProps, JsonControl } from "./controls";
import { Control, ProblemLine } from "./fields";
import { firstValue } from "./first_value";
import { typeOf, VariantBody } from "./ingredients";
import { fromRecipe, OFF } from "./recipe";
import type { Shape } from "./shapes";

export function ListControl({ path, shape, label }: ControlProps<Shape & { kind: "list" }>) {
  const { draft } = useForm();
  const length = useAt(path, (value) => (isList(value) ? value.length : -1));
  const change = (make: (items: readonly Json[]) => readonly Json[], focus: string) => {
    draft.change(path, make);
    // After the list has been drawn again.
    setTimeout(() => focusField(focus));
  };
  if (length === -1) return <JsonControl path={path} label={label} />;
  const place = pointerOf(path);
  return (
    <fieldset class="rows" aria-label={label} id={idOf(path)}>
      {Array.from({ length }, (_, index) => (
        <ListItem
          key={index}
          path={[...path, index]}
          shape={shape.item}
          label={`${label} ${index + 1}`}
          length={length}
          onMove={(by) =>
            change(
              (items) => swap(items, index, index + by),
              `${place}/${index + by}-${by < 0 ? "up" : "down"}`,
            )
          }
          onRemove={() => change((items) => items.toSpliced(index, 1), `${place}-add`)}
        />
      ))}
      <AddItem
        id={`${idOf(path)}-add`}
        label={label}
        shape={shape.item}
        onAdd={(item) => change((items) => [...items, item], `${place}/${length}-item`)}
      />
    </fieldset>
  );
}

const MOVES = [
  ["up", -1, "↑"],
  ["down", 1, "↓"],
] as const;

function swap(items: readonly Json[], one: number, other: number): readonly Json[] {
  return items.with(one, items[other] ?? null).with(other, items[one] ?? null);
}

interface ItemProps {
  path: Path;
  shape: Shape;
  label: string;
  length: number;
  onMove: (by: -1 | 1) => void;
  onRemove: () => void;
}

function ListItem({ path, shape, label, length, onMove, onRemove }: ItemProps) {
  const index = Number(path.at(-1));
  const type = useAt(path, typeOf);
  const id = idOf(path);
  return (
    <fieldset class="item" aria-label={label} id={shape.kind === "variants" ? id : undefined}>
      <div class="item-title">
        <strong>{type ? spellOut(type) : label}</strong>
        {length > 1 &&
          MOVES.map(([name, by, arrow]) => {
            const isPossible = index + by >= 0 && index + by < length;
            return (
              <button
                key={name}
                type="button"
                id={`${id}-${name}`}
                aria-label={`Move ${label} ${name}`}
                aria-disabled={!isPossible}
                onClick={() => isPossible && onMove(by)}
              >
                {arrow}
              </button>
            );
          })}
        <button type="button" aria-label={`Remove ${label}`} onClick={onRemove}>
          Remove
        </button>
      </div>
      <ProblemLine path={path} />
      <div id={`${id}-item`}>
        {shape.kind === "variants" ? (
          <VariantBody key={type} path={path} shape={shape} label={label} />
        ) : (
          <Control shape={shape} path={path} label={label} usual={null} />
        )}
      </div>
    </fieldset>
  );
}

function AddItem(props: { id: string; label: string; shape: Shape; onAdd: (item: Json) => void }) {
  const { id, label, shape, onAdd } = props;
  const types = shape.kind === "variants" ? shape.variants.flatMap((each) => each.type ?? []) : [];
  const offered = types.filter((each) => each !== OFF);
  const [chosen, setChosen] = useState(offered[0] ?? "");
  const add = () => onAdd(chosen ? fromRecipe({ type: chosen }, shape) : firstValue(shape, undefined));
  return (
    <div class="row">
      {offered.length > 1 && (
        <Select
          aria-label={`Kind of ${label} to add`}
          selected={chosen}
          options={offered.map((each) => [each, spellOut(each)])}
          onSelect={setChosen}
        />
      )}
      <button type="button" id={id} aria-label={`Add ${label}`} onClick={add}>
        Add
      </button>
    </div>
  );
}
