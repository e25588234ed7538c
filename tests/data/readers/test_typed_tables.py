"""Reading Parquet and JSON."""

import json
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np
import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Table
from bakehouse.data.readers.typed_tables import read_typed_file

RECORDS = [
    {"size": i / 4, "count": i, "wet": i % 2 == 0, "zip": f"0{i % 10}", "city": ["Ulm", "Bonn", None][i % 3]}
    for i in range(30)
]
ROWS = '''SELECT i::FLOAT / 10 AS narrow, i::DECIMAL(9, 2) AS price, moment, moment::DATE AS day,
    [NULL, 'a', 'b'][i % 3 + 1] AS kind, NULLIF(i, 7)::UTINYINT AS few, i % 2 = 0 AS even, 'x' || i AS "the ""id"""
    FROM (SELECT i, TIMESTAMP '2024-01-01 06:00:00' + to_days(i::INTEGER) AS moment FROM range(30) AS numbers(i))'''


def read_table(path: Path, kind: Literal["parquet", "json"]) -> Table:
    """What is read of a file without lists."""
    table = read_typed_file(path, kind)
    assert isinstance(table, Table)
    return table


def write_parquet(path: Path, query: str) -> Path:
    duckdb.connect().execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


def check_records(table: Table) -> None:
    assert [column.kind for column in table.columns] == ["number", "number", "boolean", "category", "boolean"]
    assert [column.missing for column in table.columns] == [0, 0, 0, 0, 10]
    np.testing.assert_array_equal(table.values[:3, :4], [[0, 0, 1, 0], [0.25, 1, 0, 1], [0.5, 2, 1, 2]])
    assert table.columns[3].classes == tuple(f"0{i}" for i in range(10))


def test_json_has_an_object_for_each_row_or_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(RECORDS))
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in RECORDS))
    for name in ("a.json", "a.jsonl"):
        table = read_table(tmp_path / name, "json")
        check_records(table)
        assert table.format == "json"


def test_the_columns_of_parquet_keep_their_meaning(tmp_path: Path) -> None:
    table = read_table(write_parquet(tmp_path / "a.parquet", ROWS), "parquet")
    by_name = {column.name: column for column in table.columns}
    assert {name: column.kind for name, column in by_name.items()} == {
        "narrow": "number", "price": "number", "moment": "date", "day": "date", "kind": "boolean", "few": "number",
        "even": "boolean", 'the "id"': "identifier",
    }  # fmt: skip
    assert (by_name["moment"].has_times, by_name["day"].has_times, by_name["few"].missing) == (True, False, 1)
    np.testing.assert_array_equal(table.values[:, 0], np.float32(np.arange(30)) / np.float32(10))
    np.testing.assert_array_equal(table.values[2, 1:4], [2, 1704067200 + 2 * 86400 + 6 * 3600, 1704067200 + 2 * 86400])


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    lists = write_parquet(tmp_path / "lists.parquet", "SELECT i AS a, ['x', 'y'] AS b FROM range(30) AS numbers(i)")
    with pytest.raises(
        UnusableSource, match=r"column 'b' has lists that are not of numbers in its cells; a cell must be one value"
    ):
        read_table(lists, "parquet")
    (tmp_path / "cut.parquet").write_bytes(lists.read_bytes()[:200])
    with pytest.raises(UnusableSource, match=r"cut\.parquet cannot be read as a Parquet file"):
        read_table(tmp_path / "cut.parquet", "parquet")
    (tmp_path / "bad.jsonl").write_text('{"a": 1, "b": 2}\n{"a": 1, "b"\n')
    with pytest.raises(
        UnusableSource, match=r"line 2: bad\.jsonl cannot be read as JSON with an object for each"
    ) as caught:
        read_table(tmp_path / "bad.jsonl", "json")
    assert caught.value.line == 2
    for empty in ("[]", "", "[{}]"):
        (tmp_path / "empty.json").write_text(empty)
        with pytest.raises(UnusableSource, match="it has no objects with fields; JSON needs an object for each row"):
            read_table(tmp_path / "empty.json", "json")


TABLE = [
    {"size": number, "price": number / 4 if number % 3 else None, "the 'kind'": "ab"[number % 2]}
    for number in range(12)
]
BY_COLUMN = {name: {str(number): row[name] for number, row in enumerate(TABLE)} for name in TABLE[0]}
SPLIT = {"columns": list(BY_COLUMN), "index": list(range(12)), "data": [list(row.values()) for row in TABLE]}


@pytest.mark.parametrize("document", [BY_COLUMN, SPLIT])
def test_json_as_pandas_writes_it_is_read_as_records_are(tmp_path: Path, document: object) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document, indent=1))
    (tmp_path / "b.json").write_text(json.dumps(TABLE))
    found, records = (read_table(tmp_path / name, "json") for name in ("a.json", "b.json"))
    assert found.columns == records.columns
    np.testing.assert_array_equal(found.values, records.values)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({str(number): row for number, row in enumerate(TABLE)}, "has objects in its cells"),
        ({**BY_COLUMN, "price": {"0": 1}}, "has objects in its cells"),
        ([list(row.values()) for row in TABLE], "its rows are lists, so its columns have no names"),
    ],
)
def test_json_of_another_orientation_is_refused_with_the_way_out(
    tmp_path: Path, document: object, problem: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(UnusableSource, match=problem) as refused:
        read_table(tmp_path / "a.json", "json")
    assert "orient='records'" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "line", "problem"),
    [
        ("a.json", '[{"a": 1},\n {"a": 2;}]', 2, "it is no JSON from character 9 of the line on, ';}]'"),
        ("a.json", '[{"a": 1}, {"a"', 1, "it ends before its last object is closed"),
        ("a.jsonl", '{"a": 1}\n{"a": 1,,}', 2, "it is no JSON from character 9 of the line on, ',}'"),
        ("a.json", '{"a": 1}\n{"a": oops}', 2, "it is no JSON from character 7 of the line on, 'oops}'"),
        ("a.jsonl", '{"a": 1, "a": 2}', None, "an object has the field 'a' twice"),
        ("a.json", "<html>no such file</html>", 1, "it is no JSON from character 1"),
    ],
)
def test_bad_json_is_refused_in_plain_words(
    tmp_path: Path, name: str, text: str, line: int | None, problem: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UnusableSource) as refused:
        read_table(tmp_path / name, "json")
    assert problem in str(refused.value)
    assert (refused.value.line, refused.value.file) == (line, name)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(UnusableSource, match="cannot be read as a Parquet file: it is text"):
        read_table(tmp_path / "a.parquet", "parquet")
