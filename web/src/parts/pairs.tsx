import type { ComponentChildren } from "preact";

export type Pair = readonly [name: ComponentChildren, value: ComponentChildren];

/** Names, each with what belongs to it. */
export function Pairs({ pairs, class: kind = "pairs" }: { pairs: readonly Pair[]; class?: string }) {
  return (
    <dl class={kind}>
      {pairs.map(([name, value], index) => (
        <div key={index}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
