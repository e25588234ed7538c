"""Makes a table of a store's cells: names its columns, leaves out those that are none, and encodes the others."""

from collections.abc import Sequence

import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Table, check_rows, check_size, quote
from bakehouse.data.readers.cell_store import CellStore
from bakehouse.data.readers.columns import ColumnReader
from bakehouse.data.scratch_arrays import new_array

MAX_NOTES = 100


def make_table(
    store: CellStore,
    header: Sequence[str],
    notes: Sequence[str],
    *,
    is_comma_likely: bool = False,
    part_rows: int | None = None,
) -> Table:
    """Encodes all columns of a store; `part_rows` is the number of rows of the largest split, if the files have
    splits."""
    check_rows(store.rows)
    names, about_names = name_columns(store, header, part_rows or store.rows)
    # The rows are counted by now, so the size is checked before the numbers take memory.
    check_size("its numbers", store.rows * len(names) * 8)
    reader = ColumnReader(store, is_comma_likely=is_comma_likely)
    values = new_array((store.rows, len(names)), np.float64)
    columns = []
    about_columns: list[str] = []
    for place, (index, name) in enumerate(names.items()):
        encoded = reader.encode(index, name)
        values[:, place] = encoded.values
        columns.append(encoded.column)
        about_columns += encoded.notes
    if all(column.missing == store.rows for column in columns):
        raise UnusableSource("all cells are empty")
    left_out = len(about_columns) - MAX_NOTES
    more = [f"and {left_out:,} more notes on columns"] if left_out > 0 else []
    return Table(
        values=values,
        columns=tuple(columns),
        notes=[*notes, *about_names, *about_columns[:MAX_NOTES], *more],
        cells=tuple(map(names.get, range(store.columns))),
    )


def name_columns(store: CellStore, header: Sequence[str], part_rows: int) -> tuple[dict[int, str], list[str]]:
    """Returns the name of each column by its index in the store, and what was done to the names of the file.

    Columns without a name are left out if they are empty, or if they are the first and name the rows.
    """
    names: dict[int, str] = {}
    notes: list[str] = []
    taken = set(header)
    for index, name in enumerate(header):
        if not name:
            filled, distinct = store.survey(index, "count(*) FILTER (NOT is_mark)", "count(DISTINCT cell)")
            if not filled:
                continue
            # The numbers of rows may begin anew in each file.
            if index == 0 and distinct >= part_rows:
                notes.append("the first column has no name and names the rows, so it is left out")
                continue
            name = _free_name(f"column_{index + 1}", taken)
            notes.append(f"column {index + 1} has no name and is called {name}")
        elif name in names.values():
            free = _free_name(name, taken)
            notes.append(f"{quote(name)} is the name of several columns: column {index + 1} is called {quote(free)}")
            name = free
        names[index] = name
        taken.add(name)
    if len(names) < 2:
        raise UnusableSource("the table has one column; at least two are needed")
    return names, notes


def _free_name(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free = f"{name}_{number}"
        number += 1
    return free
