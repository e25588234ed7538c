import type { Column } from "../../api/types";
import { count, formatWhole } from "../../format";
import { Table } from "../../parts/table";
import { describeColumn } from "./words";

/** The columns of a table, any of which a recipe may name as its target. */
export function Columns({ columns }: { columns: readonly Column[] }) {
  return (
    <section class="below">
      <h2>{count(columns.length, "column")}</h2>
      <p class="quiet">A recipe names one as its target. A column with empty cells cannot be an input.</p>
      <Table
        label="Columns"
        rows={columns}
        columns={[
          { title: "Column", cell: (each) => each.name },
          { title: "Kind", cell: (each) => each.kind },
          { title: "Values", cell: describeColumn },
          {
            title: "Empty cells",
            isNumber: true,
            cell: (each) => each.missing > 0 && formatWhole(each.missing),
          },
        ]}
      />
    </section>
  );
}
