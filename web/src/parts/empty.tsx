import type { ComponentChildren } from "preact";
import { Copy } from "./copy";

export function Terminal({ command }: { command: string }) {
  return (
    <>
      <p class="quiet">The same from a terminal:</p>
      <Copy text={command} />
    </>
  );
}

/** What a page shows while it has nothing: what would be here, one button that changes it, and the same as a command. */
export function Empty(props: {
  title: string;
  children: ComponentChildren;
  action?: ComponentChildren;
  command?: string;
}) {
  return (
    <section class="empty">
      <h2>{props.title}</h2>
      <p>{props.children}</p>
      {props.action && <p>{props.action}</p>}
      {props.command && <Terminal command={props.command} />}
    </section>
  );
}
