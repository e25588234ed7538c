"""Reads tables whose columns have types: Parquet files, and JSON with an object for each row."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import duckdb

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Table
from bakehouse.data.readers.cell_store import store_file
from bakehouse.data.readers.tables import make_table
from bakehouse.data.source_files import open_file


def read_typed_table(path: Path, kind: Literal["parquet", "json"]) -> Table:
    """Reads a table. The text of a cell decides what it means, as in a CSV file: a date stored as text is a date."""
    with open_file(path) as file:
        try:
            store, names = store_file(file, kind)
        except duckdb.Error as error:
            raise UnusableSource(_explain(error, path, kind)) from error
    return replace(make_table(store, names, []), format=kind)


def _explain(error: duckdb.Error, path: Path, kind: str) -> str:
    if isinstance(error, duckdb.OutOfMemoryException):
        raise MemoryError from error
    expected = "a Parquet file" if kind == "parquet" else "JSON with an object for each row"
    reason = str(error).splitlines()[0].partition(": ")[2].replace("/proc/self/fd/", "descriptor ")
    return f"{path.name} cannot be read as {expected}: {reason[:200]}"
