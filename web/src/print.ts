/** A recipe as JSON, as a command and as Python: the same request in each language. */
import { isList, isObject, type Json } from "./json";

const WIDTH = 72;

/** Returns JSON in which a list or an object that fits into a line is one line. */
export function printJson(value: Json, indent = ""): string {
  const line = printLine(value);
  const isSmall = line.length + indent.length <= WIDTH && indent !== "";
  if (isSmall || !(isObject(value) || isList(value)) || line.length === 2) return line;
  const inner = `${indent}  `;
  const parts = isList(value)
    ? value.map((each) => printJson(each, inner))
    : Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${printJson(each, inner)}`);
  const text = parts.map((part) => inner + part).join(",\n");
  return isList(value) ? `[\n${text}\n${indent}]` : `{\n${text}\n${indent}}`;
}

/** A line break within a text of the document is written as an escape, so each that is left is one of the layout. */
function printLine(value: Json): string {
  return JSON.stringify(value, null, 1)
    .replace(/([[{])\n\s*|\n\s*([\]}])/g, "$1$2")
    .replace(/\n\s*/g, " ");
}

const PYTHON_WORDS: Readonly<Record<string, string>> = { null: "None", true: "True", false: "False" };

/** The texts and numbers of JSON are texts and numbers of Python too; texts are matched to be passed over. */
export function printPython(value: Json): string {
  return printJson(value).replace(/"(?:\\.|[^"\\])*"|null|true|false/g, (word) => PYTHON_WORDS[word] ?? word);
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

/** Returns the address of the service, with a slash at its end. */
export function serviceAddress(): string {
  return new URL(".", location.href.split("?")[0]).href;
}

/** Returns the submission of a recipe to this service in a language. */
export function spell(recipe: Json, language: Language, seeds: readonly number[] | null): string {
  const service = serviceAddress();
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
export function asCurl(bodies: readonly string[], service: string, path = "v1/runs"): string {
  const start = `curl ${quoteForShell(service + path)} -H 'Content-Type: application/json' --data-raw`;
  return bodies.map((body) => `${start} ${quoteForShell(body)}`).join("\n");
}

export function asCommand(body: string, service: string, seeds: string | null): string {
  return asPipe(body, service, `run -${seeds === null ? "" : ` --seeds ${seeds}`}`);
}

/** Returns the command that asks the question of a document, watches its runs and prints the answer. */
export function asQuestionCommand(body: string): string {
  return asPipe(body, serviceAddress(), "experiment run -");
}

function asPipe(body: string, service: string, command: string): string {
  const address = quoteForShell(service.replace(/\/$/, ""));
  return `printf %s ${quoteForShell(body)} |\n  BAKEHOUSE_URL=${address} bakehouse ${command}`;
}

export function asPython(recipe: Json, service: string, seeds: readonly number[] | null): string {
  const submit = seeds
    ? `runs = [client.submit({**recipe, "seed": seed}) for seed in ${JSON.stringify(seeds)}]`
    : "run = client.submit(recipe)";
  return `from bakehouse import Client

client = Client(${JSON.stringify(service.replace(/\/$/, ""))})
recipe = ${printPython(recipe)}
${submit}`;
}
