"""The database that holds a table's cells."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.cell_store import connect, store_rows


def test_the_database_reads_only_the_file_that_it_is_for(tmp_path: Path) -> None:
    own, other = tmp_path / "own.csv", tmp_path / "other.csv"
    for path in (own, other):
        path.write_text("a\n1\n")
    database = connect(str(own))
    assert database.execute("SELECT a FROM read_csv(?)", [str(own)]).fetchall() == [(1,)]
    forbidden = [
        f"FROM '{other}'", f"COPY (VALUES (1)) TO '{tmp_path}/new.csv'", "INSTALL httpfs", "LOAD httpfs",
        "SELECT * FROM 'https://localhost/a.csv'", "SET memory_limit = '9GB'", f"ATTACH '{tmp_path}/new.db'",
    ]  # fmt: skip
    for query in forbidden:
        with pytest.raises(duckdb.Error):
            database.execute(query)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "own.csv"]


def test_cells_keep_every_character() -> None:
    cells = ['"', "''", "a,b", "a\nb\r\nc", "\\", "", "\x01", "é€𝄞", "NULL", " x "]
    store = store_rows(((line, cell) for line, cell in enumerate(cells)), 1, place="row")
    (kept,) = store.survey(0, "list(cell ORDER BY line)")
    assert (store.rows, kept) == (len(cells), cells)


def test_an_error_among_the_rows_ends_the_reading() -> None:
    def rows() -> Iterator[tuple[int, str]]:
        yield from ((line, "a") for line in range(100_000))
        raise UnusableSource("line 100001 is wrong")

    with pytest.raises(UnusableSource, match="line 100001 is wrong"):
        store_rows(rows(), 1, place="row")


def test_a_row_that_the_database_cannot_read_is_an_error() -> None:
    with pytest.raises(duckdb.Error):
        store_rows(((line, "a", "b") for line in range(100_000)), 1, place="row")
