"""Says in SQL how DuckDB reads a file of typed columns as texts. `bakehouse code --evaluate` prints this source, so it
imports nothing from Bakehouse."""

from collections.abc import Iterable, Mapping

MAX_OBJECT = 64 << 20
"""Limit on the bytes of a JSON object; DuckDB's own of 16 MiB is little for a long sequence."""
READERS = {
    "parquet": "read_parquet('{}')",
    "json": f"read_json_auto('{{}}', sample_size = -1, maximum_object_size = {MAX_OBJECT})",
}


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
