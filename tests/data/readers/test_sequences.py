"""Reading sequences from JSON lines, JSON and Parquet."""

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Samples
from bakehouse.data.readers import sequences
from bakehouse.data.readers.typed_tables import read_typed_file

Record = dict[str, Any]
LENGTHS = [1 + i % 4 for i in range(12)]
PAIRS = [{"steps": [[i, s / 2] for s in range(n)], "label": "ab"[i % 2]} for i, n in enumerate(LENGTHS)]


def read(folder: Path, records: list[Record], name: str = "a.jsonl") -> Samples:
    """What is read of JSON lines, or of one JSON list."""
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / name).write_text(lines if name.endswith("l") else json.dumps(records))
    found = read_typed_file(folder / name, "json")
    assert isinstance(found, Samples)
    return found


def changed(row: int, **fields: object) -> list[Record]:
    """The records, of which one has other fields."""
    return [{**record, **fields} if i == row else record for i, record in enumerate(PAIRS)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_steps_are_lists_of_numbers_and_nan_follows_the_last(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, PAIRS, name)
    x = found.arrays["x"]
    assert (found.kind, found.format, x.shape, x.dtype.name) == ("sequence", "json", (12, 4, 2), "float32")
    assert found.lengths is not None
    assert (found.lengths.minimum, found.lengths.median, found.lengths.maximum) == (1, 2.5, 4)
    for row, length in zip(x, LENGTHS, strict=True):
        assert np.isnan(row).all(1).tolist() == [step >= length for step in range(4)]
    np.testing.assert_array_equal(x[6, :3], [[6, 0], [6, 0.5], [6, 1]])
    assert (found.classes, found.arrays["y"][:3].tolist()) == (("a", "b"), [0, 1, 0])


def test_numbers_are_steps_of_one_and_lists_are_joined_step_by_step(tmp_path: Path) -> None:
    records = [
        {"speed": [s * 1.5 for s in range(n)], "place": [[i, s] for s in range(n)], "id": f"run {i}", "target": i / 4}
        for i, n in enumerate(LENGTHS)
    ]
    found = read(tmp_path, records)
    np.testing.assert_array_equal(found.arrays["x"][2, :3], [[0, 2, 0], [1.5, 2, 1], [3, 2, 2]])
    assert found.classes is None
    np.testing.assert_array_equal(found.arrays["y"], np.arange(12) / 4)
    assert found.notes == [
        "the numbers of a step are those of speed (1), place (2)",
        "the target is target",
        "left out, since they are neither lists of numbers nor the target: id",
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_steps_may_be_objects_of_numbers(tmp_path: Path, name: str) -> None:
    records = [
        {
            "steps": [{"dose, daily": i, "on": s > 0} for s in range(n)],
            "pulse": [s / 2 for s in range(n)],
            "label": "ab"[i % 2],
        }
        for i, n in enumerate(LENGTHS)
    ]
    found = read(tmp_path, records)
    if name == "a.parquet":
        duckdb.sql(f"COPY (FROM '{tmp_path / 'a.jsonl'}') TO '{tmp_path / name}'")
        again = read_typed_file(tmp_path / name, "parquet")
        assert isinstance(again, Samples)
        found = again
    np.testing.assert_array_equal(found.arrays["x"][6, :3], [[6, 0, 0], [6, 1, 0.5], [6, 1, 1]])
    assert found.notes[0] == "the numbers of a step are those of steps (dose, daily, on), pulse (1)"


def test_sequences_of_one_length_have_no_padding(tmp_path: Path) -> None:
    found = read(tmp_path, [{"x": [i, i + 1, 2.5], "y": i % 2 == 0} for i in range(12)])
    assert (found.lengths, found.classes) == (None, ("False", "True"))
    assert np.isfinite(found.arrays["x"]).all()


def test_many_whole_numbers_are_values_and_few_are_classes(tmp_path: Path) -> None:
    many = read(tmp_path, [{"x": [1, 2], "y": i} for i in range(30)])
    assert many.classes is None
    assert "more than 20" in many.notes[1]
    assert read(tmp_path, [{"x": [1, 2], "y": i % 3} for i in range(30)]).classes == ("0", "1", "2")


def test_steps_keep_64_bits_where_32_would_round_their_spread_away(tmp_path: Path) -> None:
    found = read(tmp_path, [{"x": [1.7e12 + i + s for s in range(1 + i % 3)], "y": i % 2} for i in range(12)])
    assert found.arrays["x"].dtype == np.float64
    assert found.arrays["x"][1, :2, 0].tolist() == [1.7e12 + 1, 1.7e12 + 2]


def test_parquet_has_lists_too(tmp_path: Path) -> None:
    query = "SELECT [[i, s] FOR s IN range(1 + i % 3)]::FLOAT[2][] AS x, i % 2 AS y FROM range(12) AS numbers(i)"
    duckdb.connect().execute(f"COPY ({query}) TO '{tmp_path / 'a.parquet'}' (FORMAT parquet)")
    found = read_typed_file(tmp_path / "a.parquet", "parquet")
    assert isinstance(found, Samples)
    np.testing.assert_array_equal(found.arrays["x"][5], [[5, 0], [5, 1], [5, 2]])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (changed(7, steps=[]), r"row 7 \(from 0\) has no step in 'steps'"),
        (changed(7, steps=None), r"row 7 \(from 0\) has no step in 'steps'"),
        (changed(3, steps=[[1, 2], [3]]), r"those of row 0 have 2, and row 3 \(from 0\) has one of 1"),
        (changed(3, steps=[[1, 2, 3]]), r"those of row 0 have 2, and row 3 \(from 0\) has one of 3"),
        (changed(3, steps=[[1, 2], None]), r"row 3 \(from 0\) has an empty step"),
        (changed(5, steps=[[1, 2], [1, None]]), r"row 5 \(from 0\) holds an empty number, nan, infinity"),
        (changed(5, steps=[[1, 1e300]]), r"row 5 \(from 0\) holds an empty number, nan, infinity"),
        (changed(4, label=None), r"row 4 \(from 0\) has no target in 'label'"),
        (
            [{**record, "more": [1]} for record in PAIRS],
            r"row 1 \(from 0\) has 2 steps in 'steps' and 1 step in 'more'",
        ),
        ([{"steps": record["steps"]} for record in PAIRS], r"needs one target, .* there is none: give it"),
        (
            [{"x": [1], "a": 1, "b": 2} for _ in PAIRS],
            r"any of 'a', 'b' could be it: give it one of the names y, labels",
        ),
        (PAIRS[:9], r"9 rows are too few"),
    ],
)
def test_what_is_no_sequence_is_refused_with_its_row(tmp_path: Path, records: list[Record], message: str) -> None:
    with pytest.raises(UnusableSource, match=message):
        read(tmp_path, records)


def test_one_very_long_sequence_among_short_ones_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "MAX_BYTES", 1000)
    with pytest.raises(UnusableSource, match=r"1,248 bytes, each padded to the longest of 13 steps.*longest is row 4"):
        read(tmp_path, changed(4, steps=[[0, 0]] * 13))
