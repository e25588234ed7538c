import { changeView, query } from "../address";

/** The words of the address that the items of a list are filtered by. */
export function filterText(): string {
  return query.value.get("find") ?? "";
}

export function Filter({ label }: { label: string }) {
  return (
    <input
      type="search"
      placeholder="Filter"
      aria-label={label}
      value={filterText()}
      onInput={(event) => changeView({ find: event.currentTarget.value })}
    />
  );
}
