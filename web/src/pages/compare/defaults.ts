/** The defaults of the ingredients' fields, with which values are shortened. */
import { useEffect, useState } from "preact/hooks";
import { get } from "../../api/http";
import type { Json } from "../../json";
import type { Defaults } from "./fields";

interface Ingredients {
  families: {
    variants: { type: string | null; main: string | null; fields: { name: string; default: Json }[] }[];
  }[];
}

let loading: Promise<Defaults> | null = null;

async function load(): Promise<Defaults> {
  const { families } = await get<Ingredients>("v1/recipes/ingredients");
  return new Map(
    families.flatMap(({ variants }) =>
      variants.map(({ type, main, fields }) => [
        String(type),
        { main, fields: new Map(fields.map((field) => [field.name, field.default])) },
      ]),
    ),
  );
}

/** Returns the defaults, once they are loaded; until then, or if that fails, values are shown as their types alone. */
export function useDefaults(): Defaults {
  const [defaults, setDefaults] = useState<Defaults>(new Map());
  useEffect(() => {
    loading ??= load();
    loading.then(setDefaults, () => {
      loading = null;
    });
  }, []);
  return defaults;
}
