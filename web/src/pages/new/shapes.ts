/** The shapes of a recipe's fields, read from `GET /v1/recipes/ingredients`. The form knows no ingredient by name. */
import { isList, isObject, type Json, type JsonObject } from "../../json";

export type Shape =
  | VariantsShape
  | NumberShape
  | TextShape
  /** One of a few constants; null means "not set". */
  | { kind: "choice"; values: readonly Json[] }
  | { kind: "boolean" }
  /** A shape or null. */
  | { kind: "optional"; inner: Shape }
  /** Either one of a few constants or a value of one of the shapes. */
  | { kind: "either"; values: readonly Json[]; inner: readonly Shape[] }
  | { kind: "list"; item: Shape }
  /** A list of numbers, which fits into one line. */
  | { kind: "numbers"; item: NumberShape; least: number }
  /** Names with texts. */
  | { kind: "labels" }
  /** A value of a form that the page does not know; it is edited as JSON. */
  | { kind: "json" };

export interface NumberShape {
  kind: "number";
  isInteger: boolean;
  least: number;
  most: number;
  isLeastExcluded: boolean;
  isMostExcluded: boolean;
}

export interface TextShape {
  kind: "text";
  /** Whether null is allowed, which an empty box then means. */
  isNullable: boolean;
  examples: readonly string[];
}

export interface VariantsShape {
  kind: "variants";
  /** Each has a type, or there is one without. */
  variants: readonly Variant[];
  /** The type that a bare number stands for. */
  number: string | null;
}

export interface Variant {
  type: string | null;
  /** What the ingredient is; the whole recipe is none. */
  about?: About;
  /** The field that a bare value sets. */
  main: string | null;
  fields: readonly Field[];
}

/** What the API says about an ingredient. */
export interface About {
  sentence: string;
  description: string;
  formulas: readonly string[];
  sources: readonly string[];
  default_reason: string | null;
  traps: readonly string[];
  advice: readonly { code: string; about: string }[];
}

export interface Field {
  name: string;
  description: string;
  /** The type and the range in words. */
  takes: string;
  required: boolean;
  default: Json;
  shape: Shape;
}

/** The answer of the API. */
export interface Ingredients {
  order: readonly string[];
  families: readonly FieldAnswer[];
  fields: readonly FieldAnswer[];
}

interface FieldAnswer {
  name: string;
  description?: string;
  takes?: string;
  required: boolean;
  default?: unknown;
  json_schema?: Record<string, unknown>;
  several: boolean;
  nullable?: boolean;
  /** The type that a bare number stands for. */
  number?: string | null;
  variants: readonly VariantAnswer[];
}

type VariantAnswer = About & Pick<Variant, "type" | "main"> & { fields: readonly FieldAnswer[] };

/** Returns the shape of a whole recipe: one variant without a type, whose fields are families and plain fields. */
export function recipeShape(answer: Ingredients): VariantsShape {
  const fields = [...answer.families, ...answer.fields].map(fieldOf);
  const place = (field: Field) =>
    (answer.order.indexOf(field.name) + answer.order.length + 1) % (answer.order.length + 1);
  fields.sort((one, other) => place(one) - place(other));
  return {
    kind: "variants",
    number: null,
    variants: [{ type: null, main: null, fields }],
  };
}

function fieldOf(answer: FieldAnswer): Field {
  const { name, description = "", takes = "", required } = answer;
  return {
    name,
    description,
    takes,
    required,
    default: (answer.default ?? null) as Json,
    shape: shapeOf(answer),
  };
}

function shapeOf({ variants, number = null, several, nullable, json_schema }: FieldAnswer): Shape {
  if (json_schema && variants.length === 0) return schemaShape(json_schema as JsonObject);
  const one: Shape = {
    kind: "variants",
    variants: variants.map((each) => ({ ...each, about: each, fields: each.fields.map(fieldOf) })),
    number,
  };
  if (several) return { kind: "list", item: one };
  return nullable ? { kind: "optional", inner: one } : one;
}

/** Returns the shape of the values that a JSON Schema allows. */
export function schemaShape(schema: JsonObject): Shape {
  const listed = schema.anyOf ?? schema.oneOf;
  const schemas = isList(listed) ? listed.filter(isObject) : [schema];
  const constants = schemas.flatMap(constantsOf);
  const values = [...constants.filter((each) => each === null), ...constants.filter((each) => each !== null)];
  const inner = schemas
    .filter((each) => constantsOf(each).length === 0 && each.type !== "boolean")
    .map(basicShape);
  const hasBoolean = schemas.some((each) => each.type === "boolean" && constantsOf(each).length === 0);
  const [first] = inner;
  if (hasBoolean && schemas.length === 1) return { kind: "boolean" };
  if (hasBoolean) values.push(true, false);
  if (!first) return { kind: "choice", values };
  if (inner.length === 1 && values.length === 0) return first;
  if (inner.length > 1 || !isEqualToNull(values)) return { kind: "either", values, inner };
  return first.kind === "text" ? { ...first, isNullable: true } : { kind: "optional", inner: first };
}

function isEqualToNull(values: readonly Json[]): boolean {
  return values.length === 1 && values[0] === null;
}

function constantsOf(schema: JsonObject): Json[] {
  if (isList(schema.enum)) return [...schema.enum];
  if (schema.const !== undefined) return [schema.const];
  return schema.type === "null" ? [null] : [];
}

function basicShape(schema: JsonObject): Shape {
  switch (schema.type) {
    case "integer":
    case "number":
      return numberShape(schema);
    case "string":
      return {
        kind: "text",
        isNullable: false,
        examples: isList(schema.examples) ? schema.examples.map(String) : [],
      };
    case "array":
      return listShape(schema);
    case "object":
      return schema.patternProperties || schema.additionalProperties ? { kind: "labels" } : { kind: "json" };
    default:
      return { kind: "json" };
  }
}

function listShape(schema: JsonObject): Shape {
  const items = isList(schema.prefixItems)
    ? schema.prefixItems.filter(isObject)
    : [schema.items].filter(isObject);
  const [item] = items.map(schemaShape);
  const isOneLine = items.length > 0 && items.every((each) => schemaShape(each).kind === "number");
  if (item?.kind === "number" && isOneLine) {
    return { kind: "numbers", item, least: Number(schema.minItems ?? 0) };
  }
  return item && !schema.prefixItems ? { kind: "list", item } : { kind: "json" };
}

function numberShape(schema: JsonObject): NumberShape {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  return {
    kind: "number",
    isInteger: schema.type === "integer",
    least: Number(exclusiveMinimum ?? minimum ?? -Infinity),
    most: Number(exclusiveMaximum ?? maximum ?? Infinity),
    isLeastExcluded: exclusiveMinimum !== undefined,
    isMostExcluded: exclusiveMaximum !== undefined,
  };
}
