"""Says in SQL how DuckDB reads a file of typed columns as texts. `bakehouse code --evaluate` prints this source, so it
imports nothing from Bakehouse."""

import re
from collections.abc import Iterable, Mapping

MAX_OBJECT = 64 << 20
"""Limit on the bytes of a JSON object; DuckDB's own of 16 MiB is little for a long sequence."""
READERS = {
    "parquet": "read_parquet('{}')",
    "json": f"read_json_auto('{{}}', sample_size = -1, maximum_object_size = {MAX_OBJECT})",
}


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
    return READERS[kind].format(path.replace("'", "''"))


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
