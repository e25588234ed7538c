"""Reads files whose columns have types: Parquet files, and JSON with an object for each row.

A column of lists of numbers makes the rows sequences; else the file is a table.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import duckdb

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Samples, Table
from bakehouse.data.readers.cell_store import open_typed, raise_if_no_room, store_cells
from bakehouse.data.readers.sequences import holds_sequences, read_sequences
from bakehouse.data.readers.tables import make_table
from bakehouse.data.source_files import open_file


def read_typed_file(path: Path, kind: Literal["parquet", "json"]) -> Table | Samples:
    """Reads sequences or a table. The text of a table's cell decides what it means, as in a CSV file: a date stored as
    text is a date."""
    with open_file(path) as file:
        try:
            found = open_typed(file, kind)
            if holds_sequences(found.types):
                return read_sequences(found, kind)
            store = store_cells(found)
        except duckdb.Error as error:
            raise UnusableSource(explain(error, path, kind)) from error
    return replace(make_table(store, list(found.types), []), format=kind)


def explain(error: duckdb.Error, path: Path, kind: str) -> str:
    raise_if_no_room(error)
    expected = "a Parquet file" if kind == "parquet" else "JSON with an object for each row"
    reason = str(error).splitlines()[0].partition(": ")[2].replace("/proc/self/fd/", "descriptor ")
    return f"{path.name} cannot be read as {expected}: {reason[:200]}"
