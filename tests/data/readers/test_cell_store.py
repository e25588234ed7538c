"""The database that holds a table's cells."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers import cell_store
from bakehouse.data.readers.cell_store import connect, raise_if_no_room, store_rows


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


def test_a_table_that_memory_does_not_hold_is_read_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_store, "MEMORY", "24MB")
    # The database reads in blocks of two such rows.
    monkeypatch.setattr(cell_store, "MAX_ROW", 1 << 20)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    count = 100_000
    names = [hashlib.sha256(b"%d" % row).hexdigest() for row in range(count)]
    rows = ((row, names[row], names[-row], str(row % 7)) for row in range(count))
    store = store_rows(rows, 3, place="row")
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) > 1 << 20
    order = sorted(names)
    assert store.distinct(0, 3).texts == order[:3]
    assert [order[int(code)] for code in store.codes(0)[:3]] == names[:3]
    assert store.numbers([2])[0][:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    del store
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_and_too_little_memory_are_no_fault_of_the_file() -> None:
    with pytest.raises(OSError, match="No space left"):
        raise_if_no_room(duckdb.IOException('IO Error: Could not write file "a.tmp": No space left on device'))
    with pytest.raises(MemoryError):
        raise_if_no_room(duckdb.OutOfMemoryException("Out of Memory Error"))
    raise_if_no_room(duckdb.IOException("IO Error: damaged"))
