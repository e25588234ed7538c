import { formatWhole } from "../format";
import { Table } from "./table";

/** How many rows each class has, as numbers and as bars. */
export function ClassTable(props: { title: string; classes: readonly string[]; counts: readonly number[] }) {
  const { title, classes, counts } = props;
  const most = Math.max(...counts, 1);
  return (
    <Table
      label={title}
      class="classes"
      rows={counts}
      columns={[
        { title: "Class", cell: (_, index) => <bdi>{classes[index] ?? index}</bdi> },
        { title: "Rows", isNumber: true, cell: formatWhole },
        {
          title: <span class="visually-hidden">Compared with the largest class</span>,
          cell: (size) => <div class="bar" style={{ width: `${(100 * size) / most}%` }} />,
        },
      ]}
    />
  );
}
