"""Reads files whose columns have types: Parquet files, and JSON with an object for each row.

A column of lists of numbers makes the rows sequences; else the file is a table.
"""

import json
import re
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

DESCRIPTOR = re.compile(r"""(?:[Ff]ile )?["']/proc/self/fd/\d+["']""")
PLACE = re.compile(r",? at byte \d+ in (?:line|record/value) \d+")
"""Where DuckDB says that JSON is wrong: its number of the line is one too high."""


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
            line = find_bad_line(path) if kind == "json" else None
            where = "" if line is None else f"line {line}: "
            raise UnusableSource(where + explain(error, path, kind), line=line) from error
    return replace(make_table(store, list(found.types), []), format=kind)


def explain(error: duckdb.Error, path: Path, kind: str) -> str:
    raise_if_no_room(error)
    expected = "a Parquet file" if kind == "parquet" else "JSON with an object for each row"
    reason = PLACE.sub("", DESCRIPTOR.sub("the file", str(error).splitlines()[0].partition(": ")[2]))
    return f"{path.name} cannot be read as {expected}: {reason[:200].strip()}"


def find_bad_line(path: Path) -> int | None:
    """Returns the number of the first of JSON lines that is not JSON, or None."""
    if path.suffix.lower() == ".json":
        return None
    with open_file(path) as file:
        return next((number for number, line in enumerate(file, start=1) if not _is_json(line)), None)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return not line.strip()
    return True
