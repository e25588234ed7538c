import type { ComponentChildren } from "preact";
import { type Field, rangeText, type Variant } from "./shapes";

/** A description in which backticks mark code, as the API writes it. */
export function Prose({ text }: { text: string }) {
  const parts = text.split("`");
  return <>{parts.map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}</>;
}

/** What a field means, one key away. */
export function FieldHelp({ field, label, path }: { field: Field; label: string; path: string }) {
  const range = rangeText(field.shape);
  return (
    <Help label={`About ${label}`}>
      {field.description && (
        <p>
          <Prose text={field.description} />
        </p>
      )}
      <dl>
        <dt>Field</dt>
        <dd>
          <code>{path}</code>
        </dd>
        {range && <Fact name="Allowed" text={range} />}
        <Fact name="Default" text={defaultText(field)} />
      </dl>
    </Help>
  );
}

function defaultText(field: Field): string {
  if (field.required) return "none: it has to be given";
  return field.default === null ? "not set" : JSON.stringify(field.default).replaceAll(",", ", ");
}

/** What an ingredient does besides what its sentence says, with its sources and traps. */
export function VariantHelp({ variant, label }: { variant: Variant; label: string }) {
  const prose = variant.description.split("\n\n").filter((each) => each !== "");
  return (
    <Help label={`About ${label}`}>
      {prose.map((each) => (
        <p key={each}>
          <Prose text={each} />
        </p>
      ))}
      <dl>
        {variant.formulas.length > 0 && (
          <Fact name="Formula" text={variant.formulas.map((each) => `\`${each}\``).join("; ")} />
        )}
        {variant.default_reason && <Fact name="Why these defaults" text={variant.default_reason} />}
        {variant.traps.map((each) => (
          <Fact key={each} name="Trap" text={each} />
        ))}
        {variant.advice.map((each) => (
          <Fact key={each.code} name={`Advice ${each.code}`} text={each.about} />
        ))}
        {variant.sources.length > 0 && <Fact name="Source" text={variant.sources.join("; ")} />}
      </dl>
    </Help>
  );
}

function Fact({ name, text }: { name: string; text: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <Prose text={text} />
      </dd>
    </>
  );
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
