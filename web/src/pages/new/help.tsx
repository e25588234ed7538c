import type { ComponentChildren } from "preact";
import { type Pair, Pairs } from "../../parts/pairs";
import { Prose } from "../../parts/prose";
import type { About, Field } from "./shapes";

/** What a field means, one key away. */
export function FieldHelp({ field, label, path }: { field: Field; label: string; path: string }) {
  return (
    <Help label={`About ${label}`}>
      {field.description && (
        <p>
          <Prose text={field.description} />
        </p>
      )}
      <Pairs
        class=""
        pairs={[
          ["Field", <code key="field">{path}</code>],
          ...facts("Takes", field.takes),
          ...facts("Default", defaultText(field)),
        ]}
      />
    </Help>
  );
}

function defaultText(field: Field): string {
  if (field.required) return "none: it has to be given";
  return field.default === null ? "not set" : JSON.stringify(field.default).replaceAll(",", ", ");
}

/** What an ingredient does besides what its sentence says, with its sources and traps. */
export function VariantHelp({ about, label }: { about: About; label: string }) {
  const prose = about.description.split("\n\n").filter((each) => each !== "");
  return (
    <Help label={`About ${label}`}>
      {prose.map((each) => (
        <p key={each}>
          <Prose text={each} />
        </p>
      ))}
      <Pairs
        class=""
        pairs={[
          ...facts("Formula", about.formulas.map((each) => `\`${each}\``).join("; ")),
          ...facts("Why these defaults", about.default_reason),
          ...about.traps.flatMap((each) => facts("Trap", each)),
          ...about.advice.flatMap(({ code, about }) => facts(`Advice ${code}`, about)),
          ...facts("Source", about.sources.join("; ")),
        ]}
      />
    </Help>
  );
}

/** Returns a name with its text, or nothing without a text. */
function facts(name: string, text: string | null): Pair[] {
  return text ? [[name, <Prose key={name} text={text} />]] : [];
}

function Help({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <details class="help">
      <summary aria-label={label} title={label}>
        ?
      </summary>
      <div class="help-text">{children}</div>
    </details>
  );
}
