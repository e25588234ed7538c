"""Holds the cells of a table as texts in columns, in a DuckDB database in memory.

What exceeds its limit on memory is written to files in the folder for temporary ones, which end with the database.
"""

import csv
import errno
import os
import re
import tempfile
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import duckdb
import numpy as np
from numpy.typing import NDArray

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array, quote
from bakehouse.data.readers.missing_marks import MARKS
from bakehouse.data.readers.typed_cells import quote_name, table_in_sql, texts_in_sql
from bakehouse.data.readers.written_numbers import PLAIN

MEMORY = "4GB"
"""Limit on the memory of the texts, half of what the packing process may take; further ones are on the disk."""
FULL = os.strerror(errno.ENOSPC)
MAX_ROW = 64 << 20
MARKS_IN_SQL = ", ".join(f"'{mark}'" for mark in MARKS)
NESTED = ("STRUCT", "MAP", "LIST", "UNION", "BLOB", "JSON", "BIT")
WORD = re.compile(r"\b(?:cell|is_plain|is_mark)\b")


def connect(*paths: str) -> duckdb.DuckDBPyConnection:
    """Opens an empty database in memory that can read these files, and otherwise neither files nor the network."""
    database = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": MEMORY,
            "temp_directory": str(Path(tempfile.gettempdir(), f"bakehouse-cells-{os.getpid()}")),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    database.execute(f"SET allowed_paths = {list(paths)}")
    database.execute("SET TimeZone = 'UTC'")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
    return database


def raise_if_no_room(error: duckdb.Error) -> None:
    """Raises errors of the database that say nothing of the user's file: MemoryError, and OSError for a full disk."""
    if isinstance(error, duckdb.OutOfMemoryException):
        raise MemoryError from error
    if isinstance(error, duckdb.IOException) and FULL in str(error):
        raise OSError(errno.ENOSPC, FULL) from error


@dataclass(frozen=True)
class Distinct:
    """The distinct texts of a column in sorted order, with their counts and the lines in which they come first."""

    texts: list[str]
    counts: Array
    lines: Array

    def count(self, chosen: Sequence[bool]) -> int:
        """Returns the number of cells with the chosen texts."""
        return int(self.counts[np.asarray(chosen, np.bool_)].sum())


class CellStore:
    """The cells of a table in DuckDB, one column of texts for each column; an empty text is an empty cell."""

    def __init__(self, database: duckdb.DuckDBPyConnection, columns: int, *, place: str) -> None:
        self._database = database
        self.columns = columns
        self.place = place
        """The word for the place of a row in the file: `line` or `row`."""
        self.rows = int(self._one("SELECT count(*) FROM cells")[0])

    def survey(self, column: int, *aggregates: str) -> tuple[Any, ...]:
        """Returns aggregates over a column. They may name its `cell` and whether that is a plain number (`is_plain`) or
        a mark for a missing value (`is_mark`), and the `line` of a row."""
        return self.survey_block(range(column, column + 1), *aggregates)[0]

    def survey_block(self, columns: Sequence[int], *aggregates: str) -> list[tuple[Any, ...]]:
        """Returns aggregates over several columns, by one query."""
        terms = (_in_sql(each, column) for column in columns for each in aggregates)
        answers = self._one(f"SELECT {', '.join(terms)} FROM cells")
        return [answers[start : start + len(aggregates)] for start in range(0, len(answers), len(aggregates))]

    def numbers(self, columns: Sequence[int]) -> list[NDArray[np.float64]]:
        """Returns columns as numbers; what is not a number is nan."""
        terms = (f"coalesce(TRY_CAST(c{column} AS DOUBLE), 'nan'::DOUBLE) AS c{column}" for column in columns)
        found = self._arrays(f"SELECT {', '.join(terms)} FROM cells")
        return [np.asarray(found[f"c{column}"], np.float64) for column in columns]

    def distinct(self, column: int, limit: int | None = None) -> Distinct:
        """Returns the first distinct texts of a column, without marks for missing values."""
        query = f"""SELECT c{column} AS cell, count(*) AS times, min(line) AS line FROM cells
            WHERE NOT {_in_sql("is_mark", column)} GROUP BY 1 ORDER BY 1 LIMIT $1"""
        found = self._arrays(query, [limit])
        return Distinct(found["cell"].tolist(), found["times"], found["line"])

    def codes(self, column: int) -> NDArray[np.float64]:
        """Returns for each row the index of its text among the sorted distinct texts; nan where it is missing."""
        query = f"""SELECT coalesce(code, 'nan'::DOUBLE) AS code FROM cells LEFT JOIN (
            SELECT c{column}, row_number() OVER (ORDER BY c{column}) - 1.0::DOUBLE AS code FROM cells
            WHERE NOT {_in_sql("is_mark", column)} GROUP BY c{column}
        ) USING (c{column}) ORDER BY cells.rowid"""
        return np.asarray(self._arrays(query)["code"], np.float64)

    def _one(self, query: str) -> tuple[Any, ...]:
        (row,) = self._database.execute(query).fetchall()
        return tuple(row)

    def _arrays(self, query: str, parameters: Sequence[object] = ()) -> dict[str, Array]:
        return self._database.execute(query, list(parameters)).fetchnumpy()


def _in_sql(expression: str, column: int) -> str:
    """Returns an expression about a cell in SQL."""
    meanings = {
        "cell": f"c{column}",
        "is_plain": f"regexp_full_match(c{column}, '{PLAIN}')",
        "is_mark": f"c{column} IN ({MARKS_IN_SQL})",
    }
    return WORD.sub(lambda match: meanings[match[0]], expression)


def store_rows(rows: Iterable[Sequence[str | int]], columns: int, *, place: str) -> CellStore:
    """Reads rows, each a number and then texts, through a pipe into a store. Raises what `rows` raises."""
    outlet, inlet = os.pipe()
    path = f"/proc/self/fd/{outlet}"
    database = connect(path)
    texts = "".join(f", 'c{number}': 'VARCHAR'" for number in range(columns))
    query = f"""CREATE TABLE cells AS SELECT * FROM read_csv('{path}', auto_detect = false, header = false,
        delim = ',', quote = '"', escape = '"', new_line = '\\n', strict_mode = true, parallel = false,
        nullstr = '\x01', allow_quoted_nulls = false, max_line_size = {MAX_ROW}, buffer_size = {2 * MAX_ROW},
        columns = {{'line': 'BIGINT'{texts}}})"""
    failures: list[duckdb.Error] = []

    def load() -> None:
        try:
            database.execute(query)
        except duckdb.Error as error:
            failures.append(error)
        finally:
            # Ends a writer that waits for this reader.
            os.close(outlet)

    # The rows are written by this thread, because only this one is interrupted by the limit on processor time.
    loading = threading.Thread(target=load, name="load into DuckDB")
    loading.start()
    try:
        count = _write(rows, inlet)
    finally:
        loading.join()
    if failures:
        raise failures[0]
    store = CellStore(database, columns, place=place)
    # DuckDB leaves out rows that it cannot read, and says nothing under some of its options.
    assert store.rows == count, f"{count} rows were written and {store.rows} read"
    return store


@dataclass(frozen=True)
class TypedSource:
    """Typed columns, of a file or of a table of pyarrow, that a database has opened."""

    database: duckdb.DuckDBPyConnection
    query: str
    """What the columns are selected from."""
    types: dict[str, str]
    """The type of each column, in the words of DuckDB, by its name."""

    def count_rows(self) -> int:
        (rows,) = self.database.execute(f"SELECT count(*) FROM {self.query}").fetchall()[0]
        return int(rows)


def open_typed(file: BinaryIO, kind: Literal["parquet", "json"]) -> TypedSource:
    """Opens a file of typed columns."""
    path = f"/proc/self/fd/{file.fileno()}"
    database = connect(path)
    query = table_in_sql(path, kind)
    return describe_source(database, query)


def open_typed_files(
    files: Sequence[BinaryIO], kind: Literal["parquet", "json"]
) -> tuple[list[TypedSource], TypedSource]:
    """Opens several files; returns each, and one source of the rows of all, which have the columns of the first."""
    paths = [f"/proc/self/fd/{file.fileno()}" for file in files]
    database = connect(*paths)
    parts = [describe_source(database, table_in_sql(path, kind)) for path in paths]
    chosen = ", ".join(map(quote_name, parts[0].types))
    joined = " UNION ALL BY NAME ".join(f"SELECT * FROM {part.query}" for part in parts)
    return parts, describe_source(database, f"(SELECT {chosen} FROM ({joined}))")


def open_arrow(table: Any) -> TypedSource:
    """Opens a table of pyarrow, whose columns have different names."""
    database = connect()
    database.register("source", table)
    return describe_source(database, "source")


def describe_source(database: duckdb.DuckDBPyConnection, query: str) -> TypedSource:
    """Finds the types of the columns of a query."""
    described = database.execute(f"DESCRIBE SELECT * FROM {query}").fetchall()
    types = {str(name): str(type_) for name, type_, *_ in described}
    # What DuckDB says of an empty list and of empty objects.
    if types in ({"json": "JSON"}, {"json": "MAP(VARCHAR, JSON)"}):
        raise UnusableSource("it has no objects with fields; JSON needs an object for each row")
    if list(types) == ["json"] and types["json"].endswith("]"):
        raise UnusableSource(
            "its rows are lists, so its columns have no names; JSON needs an object for each row, as pandas writes by "
            "df.to_json(path, orient='records')"
        )
    return TypedSource(database, query, types)


def store_cells(source: TypedSource) -> CellStore:
    """Reads the columns of a file into a store of texts."""
    for name, type_ in source.types.items():
        if type_.endswith("]") or type_.startswith(NESTED):
            problem = (
                f"column {quote(name)} has {name_nested(type_)} in its cells; a cell must be one value, or the steps "
            )
            problem += "of a sequence: a list of numbers, of lists of equally many numbers, or of objects of numbers"
            if type_.startswith("STRUCT"):
                problem += ". pandas writes an object for each row by df.to_json(path, orient='records')"
            raise UnusableSource(problem, column=name)
    texts = (f"{text} AS c{number}" for number, text in enumerate(texts_in_sql(source.types)))
    rows = f"SELECT row_number() OVER () AS line, {', '.join(texts)} FROM {source.query}"
    source.database.execute(f"CREATE TABLE cells AS {rows}")
    return CellStore(source.database, len(source.types), place="row")


def name_nested(type_: str) -> str:
    """Returns what a cell of a nested type of DuckDB has, in plain words."""
    if type_.endswith("]"):
        return "lists that are not of numbers"
    match next(each for each in NESTED if type_.startswith(each)):
        case "STRUCT" | "MAP":
            return "objects"
        case "BLOB" | "BIT":
            return "bytes"
        case _:
            return "values of different kinds"


def _write(rows: Iterable[Sequence[str | int]], inlet: int) -> int:
    """Writes the rows in one way, whatever the file was like, and counts them."""
    count = 0
    # The reader is gone if it has failed.
    with suppress(BrokenPipeError), os.fdopen(inlet, "w", encoding="utf-8", newline="", buffering=1 << 20) as pipe:
        writer = csv.writer(pipe, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count
