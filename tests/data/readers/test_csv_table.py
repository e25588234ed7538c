"""Reading `.csv` files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.csv_table import read_csv

ROWS = "".join(f"{i},{i / 4},{'cb'[i % 2]}\n" for i in range(10))


def test_columns_are_whole_numbers_numbers_or_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age,dose,kind\n" + ROWS)
    table = read_csv(tmp_path / "a.csv")
    age, dose, kind = table.columns
    assert (age.kind, age.whole, age.classes, age.minimum, age.maximum) == ("number", True, tuple("0123456789"), 0, 9)
    assert (dose.kind, dose.whole, dose.classes, dose.mean) == ("number", False, None, 1.125)
    assert (kind.kind, kind.classes, kind.class_counts) == ("boolean", ("b", "c"), (5, 5))
    np.testing.assert_array_equal(table.values[:3], [[0, 0, 1], [1, 0.25, 0], [2, 0.5, 1]])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_marks_quotes_and_blank_lines(tmp_path: Path, delimiter: str) -> None:
    text = f'"a b"{delimiter}"c"\r\n\r\n' + "".join(f'{i}{delimiter}"{i}"\r\n' for i in range(10)) + "\r\n"
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    table = read_csv(tmp_path / "a.csv")
    assert [column.name for column in table.columns] == ["a b", "c"]
    assert table.values.shape == (10, 2)


def test_spaces_around_quotes_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a, "b, c"\n' + '1, "2"\n' * 10)
    assert [column.name for column in read_csv(tmp_path / "a.csv").columns] == ["a", "b, c"]


def test_one_odd_cell_among_numbers_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age,dose,kind\n" + ROWS + "old,1,b\n")
    table = read_csv(tmp_path / "a.csv")
    assert table.columns[0].kind == "category"
    odd, texts = table.notes
    assert odd == "'age' is treated as text because of 'old' in line 12, although most of its cells are numbers"
    assert texts.startswith("'age', 'kind' are text, but features must be numbers")


def test_empty_cells_are_missing_values(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age,dose,kind\n" + ROWS + ",0.5,a\n7,,\n")
    table = read_csv(tmp_path / "a.csv")
    age, dose, kind = table.columns
    assert [column.missing for column in table.columns] == [1, 1, 1]
    assert (age.kind, age.classes, dose.mean) == ("number", tuple("0123456789"), (1.125 * 10 + 0.5) / 11)
    assert (kind.classes, kind.class_counts) == (("a", "b", "c"), (1, 5, 5))
    np.testing.assert_array_equal(table.values[-2:], [[np.nan, 0.5, 0], [7, np.nan, np.nan]])
    assert table.notes[0] == "'age' has empty cells (1): it can be a target, but not a feature"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty; it needs a header and rows"),
        ("a\n1\n", "line 1: the header has one column; at least two are needed"),
        ("a,b,a\n", "line 1: 2 columns have the name 'a'; names must differ"),
        ("a,,c\n", "line 1: column 2 has no name"),
        (",b,c\n", "line 1: column 1 has no name; in pandas, `to_csv(..., index=False)` leaves the row numbers out"),
        ("a,b,c\n" + ROWS + "1,NA,b\n", "column 'b': 'NA' in line 12 is not a number; fill in a number"),
        ("a;b\n" + 10 * "1,5;2\n", "column 'a': '1,5' in line 2 has a decimal comma; write numbers with a point"),
        ("1,2,3\n" + ROWS, "line 1: all cells are numbers; the first line must have the names of the columns"),
        ("a,b,c\n", "0 rows are too few"),
        ("a,b,c\n" + ROWS[: ROWS.index("9,")], "9 rows are too few"),
        ("a,b,c\n" + ROWS + "1,2\n", "line 12 has 2 cells, but the header has 3"),
        ("a,b,c\n" + ROWS + "1\n", "line 12 has 1 cell, but the header has 3"),
        ("a,b,c,d\n" + ROWS.replace("\n", ",\n"), "column 'd' is empty in all rows: remove it"),
        ("a,b,c\n" + ROWS + "1,nan,b\n", "line 12, column 'b': 'nan' is not a finite number in the range of float32"),
        (
            "a,b,c\n" + ROWS + "1,-1e39,b\n",
            "line 12, column 'b': '-1e39' is not a finite number",
        ),
        ("a,b,c\n" + ROWS + '1,2,"b\n', "line 12: unexpected end of data"),
        ("a,b,c\n" + ROWS + "\udcff,2,b\n", "line 12: the text is not UTF-8"),
        ("a,b,c\n" + ROWS + f"1,2,{'b' * 200_000}\n", "line 12: field larger than field limit"),
    ],
)
def test_broken_files_are_explained_with_the_line(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UnusableSource) as caught:
        read_csv(tmp_path / "a.csv")
    assert problem in str(caught.value)


@given(st.lists(st.tuples(st.floats(-1e30, 1e30), st.integers(-(2**50), 2**50)), min_size=10, max_size=30))
def test_numbers_are_kept_exactly(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, int]]) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("a,b\n" + "".join(f"{a!r},{b}\n" for a, b in rows))
    np.testing.assert_array_equal(read_csv(path).values, rows)
