import type { Json } from "../../json";
import { fromRecipe } from "./recipe";
import type { NumberShape, Shape } from "./shapes";
import { sliderStops } from "./slider";

/** Returns what a part that was not set begins with: what the service takes for it, or else the middle of its range. */
export function firstValue(shape: Shape, taken: Json | undefined): Json {
  if (taken !== undefined && taken !== null) return fromRecipe(taken, shape);
  switch (shape.kind) {
    case "number":
      return middle(shape);
    case "numbers":
      return Array.from({ length: Math.max(1, shape.least) }, () => middle(shape.item));
    case "variants":
      return fromRecipe(shape.variants[0]?.type === null ? {} : (shape.variants[0]?.type ?? null), shape);
    case "list":
      return [];
    case "boolean":
      return true;
    case "choice":
      return shape.values.find((each) => each !== null) ?? null;
    case "labels":
      return {};
    case "optional":
      return firstValue(shape.inner, undefined);
    case "either":
      return shape.inner[0] ? firstValue(shape.inner[0], undefined) : null;
    default:
      return "";
  }
}

function middle(shape: NumberShape): number {
  const stops = sliderStops(shape, null);
  return stops[Math.floor(stops.length / 2)] ?? Math.max(shape.least, shape.isInteger ? 1 : 0);
}
