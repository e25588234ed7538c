/** A recipe as JSON, as a command and as Python: the same request in each language. */
import { isList, isObject, type Json } from "./json";

const WIDTH = 72;

interface Words {
  null: string;
  true: string;
  false: string;
}

const JSON_WORDS: Words = { null: "null", true: "true", false: "false" };
const PYTHON_WORDS: Words = { null: "None", true: "True", false: "False" };

/** Returns JSON in which a list or an object that fits into a line is one line. */
export function printJson(value: Json): string {
  return print(value, JSON_WORDS, "");
}

export function printPython(value: Json): string {
  return print(value, PYTHON_WORDS, "");
}

function print(value: Json, words: Words, indent: string): string {
  const short = printLine(value, words);
  const isSmall = short.length + indent.length <= WIDTH && indent !== "";
  if (isSmall || !(isObject(value) || isList(value)) || short.length === 2) return short;
  const inner = `${indent}  `;
  const parts = isList(value)
    ? value.map((each) => print(each, words, inner))
    : Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${print(each, words, inner)}`);
  const [open, close] = isList(value) ? "[]" : "{}";
  return `${open}\n${parts.map((part) => inner + part).join(",\n")}\n${indent}${close}`;
}

function printLine(value: Json, words: Words): string {
  if (isList(value)) return `[${value.map((each) => printLine(each, words)).join(", ")}]`;
  if (isObject(value)) {
    return `{${Object.entries(value)
      .map(([name, each]) => `${JSON.stringify(name)}: ${printLine(each, words)}`)
      .join(", ")}}`;
  }
  // The texts and numbers of JSON are texts and numbers of Python too.
  return typeof value === "string" || typeof value === "number" ? JSON.stringify(value) : words[`${value}`];
}

/** Returns a text as one word of a POSIX shell, in which nothing is special between single quotes but their end. */
export function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Returns the bodies of the requests of a submission: one, or one for each seed. */
export function bodiesOf(recipe: Json, seeds: readonly number[] | null): string[] {
  if (!seeds || !isObject(recipe)) return [printJson(recipe)];
  return seeds.map((seed) => printJson({ ...recipe, seed }));
}

export const LANGUAGES = [
  ["json", "JSON"],
  ["curl", "curl"],
  ["command", "Command line"],
  ["python", "Python"],
] as const;

export type Language = (typeof LANGUAGES)[number][0];

/** Returns the submission of a recipe to this service in a language. */
export function spell(recipe: Json, language: Language, seeds: readonly number[] | null): string {
  const service = new URL(".", location.href.split("?")[0]).href;
  switch (language) {
    case "json":
      return bodiesOf(recipe, seeds)[0] ?? "";
    case "curl":
      return asCurl(bodiesOf(recipe, seeds), service);
    case "command":
      return asCommand(printJson(recipe), service, seeds && `${seeds[0]}-${seeds.at(-1)}`);
    case "python":
      return asPython(recipe, service, seeds);
  }
}

/** Returns the requests of a submission, one for each body. */
export function asCurl(bodies: readonly string[], service: string): string {
  return bodies
    .map(
      (body) =>
        `curl ${quoteForShell(`${service}v1/runs`)} -H 'Content-Type: application/json' --data-raw ${quoteForShell(body)}`,
    )
    .join("\n");
}

export function asCommand(body: string, service: string, seeds: string | null): string {
  const options = seeds === null ? "" : ` --seeds ${seeds}`;
  const address = quoteForShell(service.replace(/\/$/, ""));
  return `printf %s ${quoteForShell(body)} |\n  BAKEHOUSE_URL=${address} bakehouse run -${options}`;
}

export function asPython(recipe: Json, service: string, seeds: readonly number[] | null): string {
  const lines = [
    "from bakehouse import Client",
    "",
    `client = Client(${JSON.stringify(service.replace(/\/$/, ""))})`,
    `recipe = ${printPython(recipe)}`,
  ];
  const submit = seeds
    ? [`runs = [client.submit({**recipe, "seed": seed}) for seed in ${JSON.stringify(seeds)}]`]
    : ["run = client.submit(recipe)"];
  return [...lines, ...submit].join("\n");
}
