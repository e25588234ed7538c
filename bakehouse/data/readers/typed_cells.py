"""Says in SQL how DuckDB reads a file of typed columns as texts. `bakehouse code --evaluate` prints this source, so it
imports nothing from Bakehouse."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

MAX_OBJECT = 64 << 20
"""Limit on the bytes of a JSON object; DuckDB's own of 16 MiB is little for a long sequence."""
READERS = {
    "parquet": "read_parquet('{}')",
    "json": f"read_json_auto('{{}}', sample_size = -1, maximum_object_size = {MAX_OBJECT})",
}
ONE_OBJECT = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*[\[{]')
"""The beginning of JSON whose first field is an object or a list."""
NUMBER = r"BOOLEAN|U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)"
FIELD = re.compile(rf'("(?:[^"]|"")*"|\w+) (?:{NUMBER})')
OBJECTS = re.compile(rf"STRUCT\((?:{FIELD.pattern}, )*{FIELD.pattern}\)\[\d*\]")
STEPS = re.compile(rf"(?:{NUMBER})(?:\[\d*\]){{1,2}}|{OBJECTS.pattern}")
"""The types of lists of numbers, of lists of lists of numbers, and of lists of objects of numbers: the steps of
sequences."""


def step_columns(types: Mapping[str, str]) -> list[str]:
    """Returns the names of the columns that have steps of sequences, given the types by the names of the columns."""
    return [name for name, type_ in types.items() if STEPS.fullmatch(type_)]


def steps_in_sql(name: str, type_: str) -> str:
    """Returns the expression of a column of steps, as lists of numbers or of lists."""
    if OBJECTS.fullmatch(type_):
        fields = ", ".join(f"CAST(step.{field} AS DOUBLE)" for field in FIELD.findall(type_))
        return f"list_transform({quote_name(name)}, lambda step: [{fields}])"
    return f"CAST({quote_name(name)} AS DOUBLE{'[]' * type_.count('[')})"


def table_in_sql(path: str, kind: str) -> str:
    """Returns the expression of a table, which is a Parquet file or JSON."""
    name = path.replace("'", "''")
    document = read_one_object(path) if kind == "json" else None
    if document is not None and is_by_column(document):
        return columns_in_sql(name, list(document))
    if document is not None and is_split(document):
        return lists_in_sql(name, document["columns"])
    return READERS[kind].format(name)


def read_one_object(path: str) -> dict[str, Any] | None:
    """Returns JSON that is one object of objects or lists, as pandas writes a table by `to_json(path)`; None for any
    other."""
    if os.path.getsize(path) > MAX_OBJECT:  # noqa: PTH202 - the printed script has no pathlib here
        return None
    with open(path, "rb") as file:  # noqa: PTH123
        if not ONE_OBJECT.match(file.read(4096)):
            return None
        file.seek(0)
        try:
            document = json.load(file)
        except (ValueError, RecursionError):
            return None
    return document if isinstance(document, dict) else None


def is_by_column(document: dict[str, Any]) -> bool:
    """Whether each field is a column: an object of the same names of rows, which are no names of columns, and of plain
    values."""
    rows = [list(column) if isinstance(column, dict) else [] for column in document.values()]
    if len(rows) < 2 or not rows[0] or any(each != rows[0] for each in rows):
        return False
    values = [value for column in document.values() for value in column.values()]
    # With orient="index" it is the outer names that number the rows.
    is_by_row = all(name.isdecimal() for name in document) and not any(name.isdecimal() for name in rows[0])
    return not is_by_row and not any(isinstance(value, dict | list) for value in values)


def is_split(document: dict[str, Any]) -> bool:
    """Whether an object has the names of columns and the lists of cells, as with orient="split"."""
    columns = document.get("columns")
    rows = document.get("data")
    if not isinstance(columns, list) or not isinstance(rows, list) or set(document) > {"columns", "index", "data"}:
        return False
    is_named = all(isinstance(name, str) for name in columns) and len(set(columns)) == len(columns) > 0
    return is_named and all(isinstance(row, list) and len(row) == len(columns) for row in rows)


def columns_in_sql(name: str, columns: list[str]) -> str:
    """Returns the expression of JSON that has an object for each column."""
    types = ", ".join(f"{quote_text(column)}: 'MAP(VARCHAR, VARCHAR)'" for column in columns)
    cells = ", ".join(f"unnest(map_values({quote_name(column)})) AS {quote_name(column)}" for column in columns)
    return f"(SELECT {cells} FROM read_json('{name}', columns = {{{types}}}, maximum_object_size = {MAX_OBJECT}))"  # noqa: S608


def lists_in_sql(name: str, columns: list[str]) -> str:
    """Returns the expression of JSON that has the names of the columns, and a list of cells for each row."""
    cells = ", ".join(f"cells[{place}] AS {quote_name(column)}" for place, column in enumerate(columns, start=1))
    read = f"read_json('{name}', columns = {{'data': 'VARCHAR[][]'}}, maximum_object_size = {MAX_OBJECT})"
    return f"(SELECT {cells} FROM (SELECT unnest(data) AS cells FROM {read}))"  # noqa: S608


def quote_text(text: str) -> str:
    """Returns a text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    """Returns the name of a column in SQL."""
    return '"' + name.replace('"', '""') + '"'


def texts_in_sql(types: Mapping[str, str]) -> Iterable[str]:
    """Yields the expression of each column, given the types by the names of the columns; an empty cell is an empty
    text."""
    for name, type_ in types.items():
        column = quote_name(name)
        # In 64 bits, because the shortest decimals of a 32-bit number are another number in 64 bits.
        wide = "::DOUBLE" if type_ == "FLOAT" else ""
        yield f"coalesce(trim(CAST({column}{wide} AS VARCHAR)), '')"
