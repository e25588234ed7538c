/** The defaults of the ingredients' fields, with which values are shortened. */
import { useMemo } from "preact/hooks";
import { useAnswer } from "../../api/answer";
import type { Ingredients } from "../../api/types";
import type { Json } from "../../json";
import type { Defaults } from "./fields";

/** Returns the defaults, once they are loaded; until then, or if that fails, values are shown as their types alone. */
export function useDefaults(): Defaults {
  const { answer } = useAnswer<Ingredients>("v1/recipes/ingredients");
  return useMemo(() => new Map(answer?.families.flatMap(defaultsOf)), [answer]);
}

function defaultsOf({ variants }: Ingredients["families"][number]) {
  return variants.map(
    ({ type, main, fields }) =>
      [
        String(type),
        { main, fields: new Map(fields.map((field) => [field.name, field.default as Json])) },
      ] as const,
  );
}
