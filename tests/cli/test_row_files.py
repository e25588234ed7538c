"""Files of rows with characters that are no ends of lines, and in several encodings."""

import json
from pathlib import Path

import pytest

from bakehouse.cli.row_files import read_rows
from bakehouse.plan.card import TextForm

MARKS = ("\u2028", "\u0085", "\x0b", "\x0c")
COLUMNS = ["name", "city"]


@pytest.mark.parametrize("mark", MARKS)
def test_only_line_feeds_end_lines(tmp_path: Path, mark: str) -> None:
    rows = [{"name": f"a{mark}b", "city": "Bern"}, {"name": "c", "city": "Oslo"}]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows if mark > "\x1f") or json.dumps(rows[1])
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    assert read_rows(tmp_path / "a.jsonl", COLUMNS, None).rows[-1] == rows[1]
    (tmp_path / "a.csv").write_text(f"name,city\r\na{mark}b,Bern\r\nc,Oslo\r\n", encoding="utf-8", newline="")
    found = read_rows(tmp_path / "a.csv", COLUMNS, None)
    assert found.rows == rows
    assert found.lines == [2, 3]


def test_a_quoted_cell_keeps_its_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('name,city\n"a\r\nb",Bern\nc,Oslo\n', newline="")
    assert read_rows(tmp_path / "a.csv", COLUMNS, None).rows[0] == {"name": "a\r\nb", "city": "Bern"}


@pytest.mark.parametrize("form", [None, TextForm(names=("name", "city"))])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_the_encoding_is_found(tmp_path: Path, encoding: str, form: TextForm | None) -> None:
    # Without a byte order mark, an even number of bytes is no sign of UTF-16.
    for city in ("Köln", "Kölnn"):
        (tmp_path / "a.csv").write_text(f"name,city\na,{city}\n", encoding=encoding)
        assert read_rows(tmp_path / "a.csv", COLUMNS, form).rows == [{"name": "a", "city": city}]
