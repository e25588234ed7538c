import type { Column, DatasetSummary } from "../../api/types";
import { count, formatWhole } from "../../format";
import { Select } from "../../parts/options";
import { Table } from "../../parts/table";
import { type Choice, describeColumn, isLearnable } from "./words";

/** The columns of a table, and what a recipe makes of each. */
export function Columns(props: {
  columns: readonly Column[];
  /** Those that a recipe can give each column. */
  kinds: DatasetSummary["kinds"];
  choice: Choice;
  onChoose: (choice: Choice) => void;
}) {
  const { columns, choice, onChoose } = props;
  const { target, columns: { exclude, kinds } = { exclude: [], kinds: {} } } = choice;
  const kindOf = ({ name, kind }: Column) => kinds[name] ?? kind;
  const useOf = (column: Column) =>
    column.name === target
      ? "target"
      : exclude.includes(column.name) || !isLearnable(kindOf(column))
        ? "left out"
        : "input";
  const choose = (name: string, use: string) => {
    const others = exclude.filter((each) => each !== name);
    onChoose({
      target: use === "target" ? name : target,
      columns: { kinds, exclude: use === "left out" ? [...others, name] : others },
    });
  };
  return (
    <section class="below">
      <h2>{count(columns.length, "column")}</h2>
      <p class="quiet">“Use it” begins a recipe with what you choose here.</p>
      <Table
        label="Columns"
        class="columns"
        rows={columns}
        columns={[
          { title: "Column", cell: (each) => each.name },
          {
            title: "Use",
            cell: (each) => (
              <Select
                aria-label={`Use of ${each.name}`}
                options={usesOf(kindOf(each), useOf(each)).map((use) => [use, use])}
                selected={useOf(each)}
                onSelect={(use) => choose(each.name, use)}
              />
            ),
          },
          {
            title: "Kind",
            cell: (each, index) => (
              <Select
                aria-label={`Kind of ${each.name}`}
                options={[...new Set([each.kind, ...(props.kinds?.[index] ?? [])])].map((kind) => [
                  kind,
                  kind,
                ])}
                selected={kindOf(each)}
                onSelect={(kind) =>
                  onChoose({ target, columns: { exclude, kinds: { ...kinds, [each.name]: kind } } })
                }
              />
            ),
          },
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

/** A target is given up by choosing another one. */
function usesOf(kind: Column["kind"], use: string): string[] {
  if (use === "target") return ["target"];
  return isLearnable(kind) ? ["input", "target", "left out"] : ["left out"];
}
