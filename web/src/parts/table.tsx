import type { ComponentChildren, HTMLAttributes } from "preact";

export interface Column<Row> {
  title: ComponentChildren;
  cell: (row: Row, index: number) => ComponentChildren;
  /** Numbers stand on the right, below each other. */
  isNumber?: boolean;
}

/** A table that scrolls where it is too wide. The first cell of a row is its heading. */
export function Table<Row>(props: {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  class?: string;
  /** Rows that change their places need keys of their own. */
  keyOf?: (row: Row) => string | number;
  /** Attributes of the box that scrolls. */
  box?: HTMLAttributes<HTMLElement> & { [name: `data-${string}`]: unknown };
}) {
  const { label, columns, rows, keyOf, box } = props;
  const [head, ...others] = columns;
  const classOf = ({ isNumber }: Column<Row>) => (isNumber ? "number" : undefined);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reachable by keyboard
    <section class="scroll" tabIndex={0} aria-label={label} {...box}>
      <table class={props.class}>
        <thead>
          <tr>
            {columns.map((column, index) => (
              <th key={index} scope="col" class={classOf(column)}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={keyOf?.(row) ?? index}>
              <th scope="row" class={head && classOf(head)}>
                {head?.cell(row, index)}
              </th>
              {others.map((column, place) => (
                <td key={place} class={classOf(column)}>
                  {column.cell(row, index)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
