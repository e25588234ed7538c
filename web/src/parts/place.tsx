import { placeName } from "../json";

/** A place in a recipe, as the form labels it; a pointer that rests on it is told the JSON pointer. */
export function Place({ pointer }: { pointer: string }) {
  return (
    <strong class="place" title={pointer}>
      {placeName(pointer)}
    </strong>
  );
}
