"""Reads files whose columns have types: Parquet files, and JSON with an object for each row.

A column of lists of numbers makes the rows sequences; else the file is a table.
"""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal

import duckdb

from bakehouse.data.content_kinds import describe_content
from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Samples, Table, quote
from bakehouse.data.readers.cell_store import open_typed, raise_if_no_room, store_cells
from bakehouse.data.readers.sequences import holds_sequences, read_sequences
from bakehouse.data.readers.tables import make_table
from bakehouse.data.readers.typed_cells import MAX_OBJECT
from bakehouse.data.source_files import open_file

DUPLICATE = re.compile(r'duplicate key "(.*)"')


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
            raise explain(error, file, path.name, kind) from error
    return replace(make_table(store, list(found.types), []), format=kind)


def explain(error: duckdb.Error, file: BinaryIO, name: str, kind: str) -> UnusableSource:
    """Returns the refusal of a file that cannot be read. Raises errors that say nothing of the file."""
    raise_if_no_room(error)
    if kind == "parquet":
        why = describe_content(file, right="a Parquet file")
        return UnusableSource(f"{name} cannot be read as a Parquet file: {why}", file=name)
    line, why = find_bad_json(file, is_lines=not name.lower().endswith(".json"))
    if (found := DUPLICATE.search(str(error))) is not None:
        why = f"an object has the field {quote(found[1])} twice"
    elif "maximum_object_size" in str(error):
        why = f"an object has more than {MAX_OBJECT:,} bytes"
    where = "" if line is None else f"line {line}: "
    message = f"{where}{name} cannot be read as JSON with an object for each row: {why}"
    return UnusableSource(message, file=name, line=line)


def find_bad_json(file: BinaryIO, *, is_lines: bool) -> tuple[int | None, str]:
    """Returns the number of the first line that is not JSON, and what is wrong."""
    file.seek(0)
    if not is_lines and file.seek(0, os.SEEK_END) <= MAX_OBJECT:
        file.seek(0)
        # A file of JSON lines may have this name too.
        documents: Iterable[tuple[int, bytes]] = [(1, content := file.read())]
        if content.lstrip()[:1] == b"{" and b"}\n{" in content.replace(b"\r", b""):
            documents = enumerate(content.splitlines(), start=1)
    else:
        documents = enumerate(file, start=1)
    for number, text in documents:
        try:
            json.loads(text.rstrip())
        except RecursionError:
            return number, "its lists or objects are nested too deep"
        except UnicodeDecodeError:
            return number, "its bytes are not UTF-8 text: save it as UTF-8"
        except json.JSONDecodeError as error:
            if text.strip():
                return number + error.lineno - 1, describe_error(error)
    return None, describe_content(file, right="text")


def describe_error(error: json.JSONDecodeError) -> str:
    """Returns where a text is no JSON."""
    rest = error.doc[error.pos :].partition("\n")[0].strip()
    if not error.doc[error.pos :].strip():
        return "it ends before its last object is closed"
    return f"it is no JSON from character {error.colno} of the line on, {quote(rest)}"
