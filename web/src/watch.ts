/**
 * Draws a component again when a signal that it has read changes, or one of its props, and at no other time. The binding
 * that comes with the signals also binds texts and attributes, which the page does not use.
 */
import { computed, effect, type ReadonlySignal } from "@preact/signals-core";
import { Component, type ComponentType, type FunctionComponent, options } from "preact";
import { useMemo, useRef } from "preact/hooks";

type Props = Readonly<Record<string, unknown>>;
type View = FunctionComponent<Props>;

const watched = new Map<View, ComponentType<Props>>();

options.vnode = (vnode) => {
  const { type } = vnode;
  if (typeof type !== "function" || type.prototype instanceof Component) return;
  const view = type as View;
  if (!watched.has(view)) watched.set(view, watch(view));
  vnode.type = watched.get(view) as typeof type;
};

function watch(view: View): ComponentType<Props> {
  return class extends Component<Props> {
    #end = () => {};

    override shouldComponentUpdate(next: Props): boolean {
      const { props } = this;
      return Object.keys({ ...props, ...next }).some(
        (name) => next[name] !== props[name as keyof typeof props],
      );
    }

    override componentWillUnmount(): void {
      this.#end();
    }

    override render(props: Props) {
      let drawn: ReturnType<View> | undefined;
      this.#end();
      // The first time, the effect notes which signals are read; the second time, one of them has changed.
      this.#end = effect(() => {
        if (drawn === undefined) drawn = view(props) ?? null;
        else this.forceUpdate();
      });
      return drawn;
    }
  };
}

/** Returns a signal of what a function makes of others. */
export function useComputed<Value>(read: () => Value): ReadonlySignal<Value> {
  const latest = useRef(read);
  latest.current = read;
  return useMemo(() => computed(() => latest.current()), []);
}
