"""Reading tables that are text."""

import gzip
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Table
from bakehouse.data.readers.csv_table import read_csv

ROWS = "".join(f"{i},{i / 4},{'cb'[i % 2]}\n" for i in range(10))
WIDTHS = [round(1 + 0.13 * i, 2) for i in range(60)]
LENGTHS = [round(88 - 1.3 * i, 1) for i in range(60)]
LABELS = ["yes" if i % 3 == 0 else "no" for i in range(60)]
NAMES = ["width", "length", "label"]


def read(tmp_path: Path, text: str | bytes, name: str = "a.csv") -> Table:
    """Reads a file of this text."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogateescape"))
    return read_csv(path)


def lines(cell: Callable[[int], tuple[str, ...]], separator: str = ",", end: str = "\n") -> str:
    return "".join(separator.join(cell(i)) + end for i in range(60))


def row(i: int) -> tuple[str, ...]:
    return str(WIDTHS[i]), str(LENGTHS[i]), LABELS[i]


def comma(i: int) -> tuple[str, ...]:
    return tuple(cell.replace(".", ",") for cell in row(i))


def test_columns_are_numbers_or_two_texts(tmp_path: Path) -> None:
    table = read(tmp_path, "age,dose,kind\n" + ROWS)
    age, dose, kind = table.columns
    assert (age.kind, age.whole, age.classes, age.minimum, age.maximum) == ("number", True, tuple("0123456789"), 0, 9)
    assert (dose.kind, dose.whole, dose.classes, dose.mean) == ("number", False, None, 1.125)
    assert (kind.kind, kind.classes, kind.class_counts) == ("boolean", ("b", "c"), (5, 5))
    np.testing.assert_array_equal(table.values[:3], [[0, 0, 1], [1, 0.25, 0], [2, 0.5, 1]])
    assert table.notes == []


@given(st.lists(st.tuples(st.floats(-1e30, 1e30), st.integers(-(2**50), 2**50)), min_size=10, max_size=30))
def test_numbers_are_kept_exactly(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, int]]) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text("a,b\n" + "".join(f"{a!r},{b}\n" for a, b in rows))
    np.testing.assert_array_equal(read_csv(path).values, rows)


HEAD = "width,length,label\n"
SPELLINGS: dict[str, str | bytes] = {
    "as it is": HEAD + lines(row),
    "semicolons": HEAD.replace(",", ";") + lines(row, ";"),
    "tabs": HEAD.replace(",", "\t") + lines(row, "\t"),
    "bars": HEAD.replace(",", "|") + lines(row, "|"),
    "carets": HEAD.replace(",", "^") + lines(row, "^"),
    "one space": HEAD.replace(",", " ") + lines(row, " "),
    "runs of spaces": HEAD.replace(",", "   ") + lines(lambda i: tuple(f"{cell:>8}" for cell in row(i)), "  "),
    "spaces around": " width, length ,label\n" + lines(lambda i: tuple(f" {cell} " for cell in row(i))),
    "decimal commas": HEAD.replace(",", ";") + lines(comma, ";", "\r\n"),
    "decimal commas and tabs": HEAD.replace(",", "\t") + lines(comma, "\t"),
    "carriage returns": (HEAD + lines(row)).replace("\n", "\r"),
    "Windows' line ends": (HEAD + lines(row)).replace("\n", "\r\n"),
    "no last line end": (HEAD + lines(row)).rstrip("\n"),
    "blank lines": "\n" + HEAD + "\n" + lines(row).replace("\n", "\n\n") + "\n\n",
    "rows of separators": HEAD.replace(",", ";") + lines(row, ";") + ";;\n;;\n",
    "separators at the ends": HEAD + lines(row, ",", ",\n"),
    "separators at all ends": HEAD.replace("\n", ",,\n") + lines(row, ",", ",,\n"),
    "byte order mark": b"\xef\xbb\xbf" + (HEAD + lines(row)).encode(),
    "UTF-16 with its mark": (HEAD + lines(row)).encode("utf-16"),
    "UTF-32 with its mark": (HEAD + lines(row)).encode("utf-32"),
    "UTF-16 without": (HEAD + lines(row)).encode("utf-16-be"),
    "sep= line": "sep=;\r\n" + HEAD.replace(",", ";") + lines(row, ";"),
    "title line": "Measurements of plot 7,,\n" + HEAD + lines(row),
    "titles of their own": "Plot 7\nmeasured in May\n\n" + HEAD + lines(row),
    "comment lines": "# made by meter 3\n# unit: cm, or so\n" + HEAD + lines(row),
    "comments below": HEAD + "# the first half\n" + lines(row) + "# the end, at last\n",
    "header as a comment": "#" + HEAD + lines(row),
    "all quoted": '"width","length","label"\n' + lines(lambda i: tuple(f'"{cell}"' for cell in row(i))),
    "single quotes": HEAD + lines(lambda i: (*row(i)[:2], f"'{LABELS[i]}'")),
    "spaces before quotes": 'width, "length", "label"\n'
    + lines(lambda i: (row(i)[0], *(f' "{c}"' for c in row(i)[1:]))),
    "exponents": HEAD + lines(lambda i: (f"{WIDTHS[i]:.4e}", f"{LENGTHS[i]:.4E}", LABELS[i])),
    "plus signs": HEAD + lines(lambda i: (f"+{WIDTHS[i]}", f"+{LENGTHS[i]}", LABELS[i])),
    "row names": '"",width,length,label\n' + lines(lambda i: (f'"r{i}"', *row(i))),
    "row names under a short header": HEAD + lines(lambda i: (f'"{i + 1}"', *row(i))),
    "currencies and percents": HEAD + lines(lambda i: (f"${WIDTHS[i]}", f"{LENGTHS[i]} %", LABELS[i])),
    "euros": HEAD.replace(",", ";") + lines(lambda i: (f"{comma(i)[0]} €", comma(i)[1], LABELS[i]), ";"),
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_each_spelling_of_a_table_is_the_same_table(tmp_path: Path, text: str | bytes) -> None:
    table = read(tmp_path, text)
    assert [column.name for column in table.columns] == NAMES
    assert [column.kind for column in table.columns] == ["number", "number", "boolean"]
    np.testing.assert_array_equal(table.values[:, 0], WIDTHS)
    np.testing.assert_array_equal(table.values[:, 1], LENGTHS)
    assert table.columns[2].classes == ("no", "yes")
    np.testing.assert_array_equal(table.values[:, 2], [label == "yes" for label in LABELS])


@dataclass
class Case:
    """A first column as a file writes it, with what it means."""

    cells: Callable[[int], str]
    kind: str
    values: Callable[[int], float] | None = None
    classes: tuple[str, ...] | None = None
    missing: int = 0
    note: str = ""


SINCE = 1_700_000_000_000
GAPS = ("", " ", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "-", ".", "n.a.", "<NA>", "#N/A", "\\N")


def grouped(i: int, mark: str) -> str:
    return f"{1000 + 37 * i:,}".replace(",", mark)


def with_gaps(mark: str, note: str = "") -> Case:
    """Every tenth cell has a mark instead of a number."""
    return Case(
        lambda i: mark if i % 10 == 5 else str(i),
        "number",
        lambda i: np.nan if i % 10 == 5 else i,
        missing=6,
        note=note,
    )


CASES = {
    "True and False": Case(lambda i: str(i % 3 == 0), "boolean", lambda i: i % 3 == 0, ("False", "True")),
    "truth in any case": Case(
        lambda i: ("Yes", "NO", "No")[i % 3], "boolean", lambda i: i % 3 == 0, ("no", "yes"), note="NO, No, Yes are"
    ),
    "two texts": Case(lambda i: "ab"[i % 2], "boolean", lambda i: i % 2, ("a", "b")),
    "category": Case(lambda i: "xyz"[i % 3], "category", lambda i: i % 3, ("x", "y", "z")),
    "a class called Nan": Case(
        lambda i: ("Ana", "Ben", "Nan")[i % 3], "category", lambda i: i % 3, ("Ana", "Ben", "Nan")
    ),
    "N/A in text": Case(
        lambda i: ("no", "yes", "N/A")[i % 3], "boolean", lambda i: (0, 1, np.nan)[i % 3], ("no", "yes"), 20,
        "'N/A' means a missing value (20 cells); another text, such as 'none', would be a class",
    ),
    "identifiers": Case(lambda i: f"S-{i:04}", "identifier"),
    "ids": Case(lambda i: str(7 * i + 3), "number", lambda i: 7 * i + 3),
    "leading zeros": Case(lambda i: f"{i // 3:05}", "category", lambda i: i // 3, note="begin with zeros"),
    "more digits than floats have": Case(lambda i: str(2**62 + i), "identifier", note="more digits than 64 bits"),
    "free text": Case(lambda i: f"it was a {i} and then all went well with me", "text"),
    "one text": Case(lambda _: "same", "constant", lambda _: 0, ("same",)),
    "one number": Case(lambda _: "7.5", "constant", lambda _: 7.5),
    "nothing": Case(lambda _: "", "constant", lambda _: np.nan, (), 60),
    "unix milliseconds": Case(lambda i: str(SINCE + 7 * i), "number", lambda i: SINCE + 7 * i),
    "thousands": Case(lambda i: f'"{1000 + 37 * i:,}"', "number", lambda i: 1000 + 37 * i, note="read as 1000"),
    "millions": Case(lambda i: f'"{1e6 * i + 0.5:,.2f}"', "number", lambda i: 1e6 * i + 0.5),
    "spaces in thousands": Case(lambda i: grouped(i, "\u00a0"), "number", lambda i: 1000 + 37 * i),
    "apostrophes": Case(lambda i: grouped(i, "'"), "number", lambda i: 1000 + 37 * i),
    "accountants' minus": Case(lambda i: f"({i}.5)", "number", lambda i: -i - 0.5),
    "typographic minus": Case(lambda i: f"−{i}.5", "number", lambda i: -i - 0.5, note="is read as -"),
    "dates": Case(lambda i: f"2024-01-{i % 28 + 1:02}", "date", lambda i: 1704067200 + 86400 * (i % 28)),
    "slashes, the year first": Case(lambda i: f"2024/1/{i % 28 + 1}", "date", lambda i: 1704067200 + 86400 * (i % 28)),
    "German dates": Case(lambda i: f"{i % 28 + 1}.1.2024", "date", lambda i: 1704067200 + 86400 * (i % 28)),
    "American dates": Case(
        lambda i: f"01/{i % 28 + 1:02}/2024", "date", lambda i: 1704067200 + 86400 * (i % 28), note="2024-01-01"
    ),
    "British dates": Case(lambda i: f"{i % 28 + 1:02}/01/24", "date", lambda i: 1704067200 + 86400 * (i % 28)),
    "dates either way": Case(
        lambda i: f"0{i % 9 + 1}/01/2024", "date", note="the month first; write days as 2024-01-31 if that is wrong"
    ),
    "names of months": Case(lambda i: f"{i % 28 + 1}-Jan-2024", "date", lambda i: 1704067200 + 86400 * (i % 28)),
    "names of months first, with dashes": Case(
        lambda i: f"Jan-{i % 19 + 10}-2024", "date", lambda i: 1704844800 + 86400 * (i % 19)
    ),
    "names of months first": Case(
        lambda i: f'"January {i % 28 + 1}, 2024"', "date", lambda i: 1704067200 + 86400 * (i % 28)
    ),
    "timestamps": Case(lambda i: f"2024-01-01T00:{i:02}:30Z", "date", lambda i: 1704067230 + 60 * i),
    "timestamps with zones": Case(
        lambda i: f"2024-01-01 02:{i:02}:30.5+02:00", "date", lambda i: 1704067230.5 + 60 * i
    ),
    "months": Case(lambda i: f"2024-{i % 12 + 1:02}", "date"),
    "times of day": Case(lambda i: f"1:{i:02} PM", "date", lambda i: 46800 + 60 * i),
    "eight digits": Case(
        lambda i: f"202401{i % 28 + 1:02}", "date", lambda i: 1704067200 + 86400 * (i % 28),
        note="'20240101' is read as 2024-01-01, because all its numbers are days of eight digits",
    ),
    "eight digits with gaps": Case(
        lambda i: "" if i == 5 else f"202401{i % 28 + 1:02}", "date",
        lambda i: np.nan if i == 5 else 1704067200 + 86400 * (i % 28), missing=1,
    ),
    "eight digits with marks": Case(
        lambda i: "unknown" if i == 5 else f"202401{i % 28 + 1:02}", "date",
        lambda i: np.nan if i == 5 else 1704067200 + 86400 * (i % 28), missing=1,
    ),
    "eight digits that are no days": Case(lambda i: str(20240131 + i % 2), "number", lambda i: 20240131 + i % 2),
    "eight digits of other years": Case(lambda i: f"182401{i % 28 + 1:02}", "number"),
    "quarters": Case(lambda i: f"Q{i % 4 + 1} 1970", "date", lambda i: 86400 * (0, 90, 181, 273)[i % 4]),
    "a unit": Case(lambda i: f"{i}.5 kg", "number", lambda i: i + 0.5, note="'0.5 kg' is read as 0.5"),
    "a unit without a space": Case(lambda i: f"-{i}km/h", "number", lambda i: -i),
    "degrees": Case(lambda i: f"{i} °C", "number", lambda i: i),
    "a unit and gaps": Case(
        lambda i: "n/a" if i % 10 == 5 else f"{i} m²", "number", lambda i: np.nan if i % 10 == 5 else i, missing=6
    ),
    "a magnitude": Case(lambda i: f"{i}k", "number", lambda i: i),
    "a magnitude on most cells": Case(
        lambda i: f"{i}00" if i % 3 == 2 else f"{i}k", "identifier", note="'0k' has a unit and '1100' has none"
    ),
    "a magnitude on all cells but one": Case(lambda i: "800000" if i == 7 else f"{i} Mio", "identifier"),
    "two magnitudes": Case(lambda i: f"{i}{'M' if i % 2 else 'k'}", "identifier"),
    "a unit on most cells": Case(
        lambda i: f"{i}" if i % 3 == 2 else f"{i} kg", "identifier", note="'0 kg' has a unit and '11' has none"
    ),
    "two units": Case(lambda i: f"{i} {'kg' if i % 2 else 'g'}", "identifier"),
    "ordinals": Case(lambda i: f"{i}{'th' if i % 10 > 3 else 'rd'}", "identifier"),
    "no dates": Case(lambda i: f"2024-{i % 20 + 1:02}-01", "category"),
    "an error of Excel": Case(
        lambda i: "#DIV/0!" if i == 5 else str(i), "number", lambda i: np.nan if i == 5 else i, None, 1, "#DIV/0!"
    ),
    "a word that recurs": with_gaps("refused", "'refused' among numbers is taken for a missing value (6 cells, the"),
    "infinity": with_gaps("-inf", "in line 7"),
    **{f"gaps as {mark!r}": with_gaps(mark) for mark in GAPS},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_kind_of_a_column_is_found_by_all_its_cells(tmp_path: Path, case: Case) -> None:
    table = read(tmp_path, "first,second\n" + "".join(f"{case.cells(i)},{i % 7}\n" for i in range(60)))
    column = table.columns[0]
    assert (column.kind, column.missing) == (case.kind, case.missing)
    if case.values is not None:
        np.testing.assert_array_equal(table.values[:, 0], [case.values(i) for i in range(60)])
    if case.classes is not None:
        assert column.classes == case.classes
    assert case.note in " ".join(table.notes)


def test_two_kinds_of_names_number_the_rows(tmp_path: Path) -> None:
    text = "PassengerId,row,x,y\n" + "".join(f"{3 * i + 2},{i + 1},{i},{i % 2}\n" for i in range(20))
    assert [column.kind for column in read(tmp_path, text).columns] == ["identifier"] * 2 + ["number"] * 2
    shuffled = "number,y\n" + "".join(f"{7 * i % 20},{i % 2}\n" for i in range(20))
    assert read(tmp_path, shuffled).columns[0].kind == "number"


def test_a_comma_is_read_as_in_the_rest_of_the_file(tmp_path: Path) -> None:
    mixed = "a;b;c\n" + "".join(f"{i},5;{i + 1}.{100 + i};1,{200 + i}\n" for i in range(40))
    table = read(tmp_path, mixed)
    np.testing.assert_array_equal(table.values[2], [2.5, 3102, 1.202])
    points = "a;b\n" + "".join(f"{i + 1}.{100 + i};{i}\n" for i in range(40))
    assert read(tmp_path, points).values[2, 0] == 3.102


def test_quotes_in_cells_are_kept(tmp_path: Path) -> None:
    doubled = "".join(f'{i},"said ""yes"",\nthen left"\n{i},no\n' for i in range(10))
    assert read(tmp_path, "a,b\n" + doubled).columns[1].classes == ("no", 'said "yes",\nthen left')
    escaped = "".join(f'{i},"a \\"yes\\" b"\n{i},"a, \\"no\\""\n' for i in range(10))
    assert read(tmp_path, "a,b\n" + escaped).columns[1].classes == ('a "yes" b', 'a, "no"')
    spaced = "".join(f'{i},"say \\"hi\\", {i % 2}",x\n' for i in range(20))
    assert read(tmp_path, "a,b,c\n" + spaced).columns[1].classes == ('say "hi", 0', 'say "hi", 1')


def test_separators_in_quotes_do_not_count(tmp_path: Path) -> None:
    text = 'width,"Fit; loose; tight; or other?"\n' + "".join(f"{i},{'yes' if i % 3 else 'no'}\n" for i in range(60))
    assert [column.name for column in read(tmp_path, text).columns] == ["width", "Fit; loose; tight; or other?"]


def test_columns_get_names_that_differ(tmp_path: Path) -> None:
    table = read(tmp_path, "a,a,,a_2,a\n" + "".join(f"{i},{i},{i % 3},{i},{i}\n" for i in range(10)))
    assert [column.name for column in table.columns] == ["a", "a_3", "column_3", "a_2", "a_4"]
    assert table.notes[0] == "'a' is the name of several columns: column 2 is called 'a_3'"
    assert table.notes[1] == "column 3 has no name and is called column_3"


def test_row_names_are_left_out_and_an_index_that_recurs_is_not(tmp_path: Path) -> None:
    note = "the first column has no name and names the rows, so it is left out"
    assert read(tmp_path, ",b,c\n" + ROWS).notes == [note]
    twice = ",b,c\n" + ROWS + ROWS
    assert [column.name for column in read(tmp_path, twice).columns] == ["column_1", "b", "c"]


def test_a_file_without_a_header_gets_one(tmp_path: Path) -> None:
    flowers = "".join(f"{5 + i / 10},3.5,{'abc'[i % 3]}\n" for i in range(30))
    table = read(tmp_path, flowers, "iris.data")
    assert [column.name for column in table.columns] == ["column_1", "column_2", "column_3"]
    assert len(table.values) == 30
    assert table.notes[0].startswith("the first line is a row and no header")
    numbers = "".join(f"{i / 3},{i},{i * i}\n" for i in range(30))
    assert len(read(tmp_path, numbers).values) == 30
    texts = "".join(f"{'pe'[i % 2]},{'xs'[i % 2]},{'abc'[i % 3]}\n" for i in range(30))
    assert len(read(tmp_path, texts).values) == 30


def test_numbers_may_be_names_of_columns(tmp_path: Path) -> None:
    years = "country,1990,1995,2000\n" + "".join(f"c{i},{i},{i / 2},{i}\n" for i in range(20))
    assert [column.name for column in read(tmp_path, years).columns][1:] == ["1990", "1995", "2000"]
    counted = "0,1,2\n" + "".join(f"{i},{i / 2},{i}\n" for i in range(20))
    assert len(read(tmp_path, counted).values) == 20


@pytest.mark.parametrize(
    ("encoding", "cities"),
    [
        ("latin-1", "Zürich Genève Köln Málaga"),
        ("cp1252", "Curaçao café– naïve–"),
        ("cp1251", "Москва Казань Тверь Самара"),
        ("cp1253", "Αθήνα Θεσσαλονίκη Πάτρα Ηράκλειο"),
        ("shift_jis", "東京都 大阪府 横浜市 なごやし さっぽろし"),
        ("gb18030", "北京市 上海市 广州市 我们的城市"),
    ],
)
def test_other_encodings_are_guessed_and_said(tmp_path: Path, encoding: str, cities: str) -> None:
    names = cities.split()
    text = "city,size\n" + "".join(f"{names[i % len(names)]},{i}\n" for i in range(60))
    table = read(tmp_path, text.encode(encoding))
    assert table.columns[0].classes == tuple(sorted(names))
    assert table.notes[0].startswith("the text is not UTF-8 and was read as ")


@pytest.mark.parametrize("ending", [".tsv", ".txt", ".data", ".csv.gz", ".zip"])
def test_other_endings_and_packed_files(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    text = HEAD + lines(row)
    match ending:
        case ".csv.gz":
            path.write_bytes(gzip.compress(text.encode()))
        case ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("folder/a.csv", text)
                archive.writestr("__MACOSX/a.csv", "x")
        case _:
            path.write_text(text)
    np.testing.assert_array_equal(read_csv(path).values[:, 1], LENGTHS)


def test_a_table_of_thousands_of_columns(tmp_path: Path) -> None:
    text = ",".join(f"g{i}" for i in range(1200)) + "\n" + (",".join(["0.25", "1"] * 600) + "\n") * 10
    table = read(tmp_path, text + text.splitlines()[1].replace("0.25", "3") + "\n")
    assert (table.values.shape, {column.kind for column in table.columns}) == ((11, 1200), {"number", "constant"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty; it needs a header and rows"),
        ("\n\n", "the file is empty; it needs a header and rows"),
        ("a\n" + "1\n" * 20, "line 1: the header has one column; at least two are needed, separated by commas"),
        ("a,b,c\n", "0 rows are too few"),
        ("a,b,c\n" + ROWS[: ROWS.index("9,")], "9 rows are too few"),
        ("a,b,c\n" + ROWS + "1,2\n", "line 12 has 2 cells, but the header has 3"),
        ("a,b,c\n" + ROWS + "1,2,3,4\n", "line 12 has 4 cells, but the header has 3"),
        ("a,b,c\n" + '1,"2\n2",3\n' + ROWS + "1\n", "line 14 has 1 cell, but the header has 3"),
        ("a,b,c\n" + ROWS + "1,-1e39,b\n", "line 12, column 'b': '-1e39' is not a finite number"),
        ("a,b,c\n" + ROWS + '1,2,"b\n', "line 12: a quote is opened in this row and not closed until the end"),
        ("a,b,c\n" + ROWS + '1,"2\n2"2,b\n', "line 13: text follows a quote that closes a cell"),
        (b"\xef\xbb\xbfa,b,c\n" + ROWS.encode() + b"1,\xff,b\n", "line 12 is damaged: its bytes are no text in utf-8"),
        ("a,b,c\né,\udc81,b\n" + ROWS, "line 2 is damaged: its bytes are no text in cp1252"),
        (("a,b,c\n" + ROWS).encode("utf-16") + b"\0\xdc", "line 12 is damaged: its bytes are no text in utf-16"),
        ("a,b\n" + "NA,?\n" * 20, "all cells are empty"),
        ("a,b,c\n" + ROWS + f"1,2,{'b' * 2_000_000}\n", "line 12: a cell has more than 1,048,576 characters"),
        ("a,b,c\n" + ROWS + "1,2,\0\n", "line 12 has a zero byte: the file is not text, or it is damaged"),
        ("\udc89PNG\r\n\x1a\n\0\0", "it is not a text file, but a PNG picture"),
        (b"\x7fELF\x02\x01\x01\0" + b"\1\0\0\0" * 60, "it is not a text file: it has bytes that no text has"),
        ("PK\x03\x04...", "it is not a text file, but a ZIP archive or an Excel workbook: save the table as CSV"),
        ("Dear all,\nthis is a letter, and no table.\nYours,\nA.\n" * 5, "line 4 has 1 cell, but the header has 2"),
    ],
)
def test_broken_files_are_explained_with_the_line(tmp_path: Path, text: str | bytes, problem: str) -> None:
    with pytest.raises(UnusableSource) as caught:
        read(tmp_path, text)
    assert problem in str(caught.value)
    assert caught.value.line == (int(found[1]) if (found := re.search(r"line (\d+)", problem)) else None)


def test_broken_archives_are_explained(tmp_path: Path) -> None:
    packed = gzip.compress((HEAD + lines(row)).encode())
    with pytest.raises(UnusableSource, match=r"a\.csv\.gz cannot be unpacked"):
        read(tmp_path, packed[:100], "a.csv.gz")
    with pytest.raises(UnusableSource, match=r"a\.csv\.gz cannot be unpacked"):
        read(tmp_path, HEAD + lines(row), "a.csv.gz")
    with pytest.raises(UnusableSource, match="it unpacks to more than 67,108,864 bytes, 100 times its size"):
        read(tmp_path, gzip.compress(b"0" * (70 << 20)), "a.csv.gz")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", HEAD)
        archive.writestr("b.csv", HEAD)
    with pytest.raises(UnusableSource, match=r"an archive must have one table .* has 2, such as a.csv and b.csv"):
        read_csv(tmp_path / "two.zip")


def test_one_odd_cell_among_numbers_is_pointed_out(tmp_path: Path) -> None:
    table = read(tmp_path, "age,dose,kind\n" + ROWS + "old,1,b\n")
    assert table.columns[0].kind == "identifier"
    assert table.notes == [
        "'age': it is treated as text because of 'old' in line 12, although most of its cells are numbers"
    ]


def test_empty_cells_are_missing_values(tmp_path: Path) -> None:
    table = read(tmp_path, "age,dose,kind\n" + ROWS + ",0.5,a\n7,,\n")
    age, dose, kind = table.columns
    assert [column.missing for column in table.columns] == [1, 1, 1]
    assert (age.kind, age.classes, dose.mean) == ("number", tuple("0123456789"), (1.125 * 10 + 0.5) / 11)
    assert (kind.classes, kind.class_counts) == (("a", "b", "c"), (1, 5, 5))
    np.testing.assert_array_equal(table.values[-2:], [[np.nan, 0.5, 0], [7, np.nan, np.nan]])
