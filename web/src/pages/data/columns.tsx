import type { Column } from "../../api/types";
import { count, formatWhole } from "../../format";
import { describeColumn } from "./words";

/** The columns of a table, any of which a recipe may name as its target. */
export function Columns({ columns }: { columns: readonly Column[] }) {
  return (
    <section class="below">
      <h2>{count(columns.length, "column")}</h2>
      <p class="quiet">A recipe names one as its target. A column with empty cells cannot be an input.</p>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Column</th>
              <th scope="col">Kind</th>
              <th scope="col">Values</th>
              <th scope="col" class="number">
                Empty cells
              </th>
            </tr>
          </thead>
          <tbody>
            {columns.map((each) => (
              <tr key={each.name}>
                <th scope="row">{each.name}</th>
                <td>{each.kind}</td>
                <td>{describeColumn(each)}</td>
                <td class="number">{each.missing ? formatWhole(each.missing) : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
