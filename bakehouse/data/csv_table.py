"""Reads `.csv` files: a header, then rows of numbers and text. An empty cell is a value that is missing.

Two passes, so that memory holds numbers and never the whole text.
"""

import csv
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.errors import UnusableSource
from bakehouse.data.labels import number
from bakehouse.data.parsed import Table, check_rows, check_size
from bakehouse.data.precision import needs_double
from bakehouse.plan.card import Column

MAX_CLASSES = 1_000
"""More different values in a column are not listed on its card."""
LARGEST = float(np.finfo(np.float32).max)

GAPS = ("na", "n/a", "#n/a", "null", "none", "-", "?", ".")
"""How programs write that there is no number."""
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")

Line = tuple[int, list[str]]
"""Where a row ends in the file, and its cells."""


@dataclass
class Seen:
    """What the first pass learns of a column."""

    name: str
    numbers: int = 0
    texts: int = 0
    gaps: int = 0
    blanks: int = 0
    decimal_commas: int = 0
    first_text: str = ""
    whole: bool = True


def read_csv(path: Path) -> Table:
    """Cells are separated by commas, semicolons or tabs: whichever the header has most of."""
    seen, rows = _survey(_lines(path))
    _check_texts(seen)
    check_rows(rows)
    check_size("its numbers", rows * len(seen) * 8)
    values, texts = _values(_lines(path), seen)
    columns = [_column(column, values[:, i], texts[i]) for i, column in enumerate(seen)]
    notes = [
        f"{_shown(column.name)} has empty cells, {column.blanks:,} in all: it can be a target, but not an input"
        for column in seen
        if column.blanks
    ]
    notes += [
        f"{_shown(column.name)} counts as text, although most of its cells are numbers: see {column.first_text}"
        for column in seen
        if 0 < column.texts < column.numbers
    ]
    text = [_shown(column.name) for column in seen if column.texts]
    if len(text) > 1:
        notes.append(
            f"features must be numbers: write {', '.join(text[:5])} as numbers, or leave all but one of them out"
        )
    return Table(values=values, columns=tuple(columns), notes=notes)


def _lines(path: Path) -> Iterator[Line]:
    """The header, then the rows that are not blank; all of one length."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader, width = csv.reader(file, delimiter=_delimiter(path), skipinitialspace=True, strict=True), None
        try:
            for row in reader:
                width = width or len(row)
                if row and len(row) != width:
                    raise UnusableSource(f"line {reader.line_num}: {len(row)} cells, but the header names {width}")
                if row:
                    yield reader.line_num, [cell.strip() for cell in row]
        except csv.Error as error:
            raise UnusableSource(f"line {reader.line_num}: {error}") from error
        except UnicodeDecodeError as error:
            raise UnusableSource(f"line {_undecodable(path)}: the text is not UTF-8; save it as UTF-8") from error


def _undecodable(path: Path) -> int:
    """The text is decoded in blocks, so that the reader does not know the line."""
    with path.open("rb") as file:
        return next(place for place, line in enumerate(file, start=1) if not _is_utf8(line))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(path: Path) -> str:
    with path.open("rb") as file:
        header = file.readline(1 << 20)
    return max(",;\t", key=lambda delimiter: header.count(delimiter.encode()))


def _survey(lines: Iterator[Line]) -> tuple[list[Seen], int]:
    _, header = next(lines, (1, list[str]()))
    _check_header(header)
    seen, rows = [Seen(name) for name in header], 0
    for line, row in lines:
        rows += 1
        for column, cell in zip(seen, row, strict=True):
            _look(column, cell, line)
    return seen, rows


def _check_header(header: list[str]) -> None:
    if not header:
        raise UnusableSource("it is empty: a header and rows are needed")
    if len(header) < 2:
        raise UnusableSource("line 1: a header with at least two columns is needed")
    if "" in header:
        hint = " (pandas leaves out its row numbers with `to_csv(..., index=False)`)" if header[0] == "" else ""
        raise UnusableSource(f"line 1: column {header.index('') + 1} has no name{hint}")
    name, times = Counter(header).most_common(1)[0]
    if times > 1:
        raise UnusableSource(f"line 1: {times} columns are called {_shown(name)}")
    if all(number(cell) is not None for cell in header):
        raise UnusableSource("line 1: a header is needed, but all cells are numbers")


def _check_texts(seen: list[Seen]) -> None:
    """Numbers that are only written in a way that would make them text, and classes of each."""
    for column in seen:
        if not column.texts and not column.numbers and column.blanks:
            raise UnusableSource(f"column {_shown(column.name)} is empty in all rows; leave it out")
        if column.texts and column.decimal_commas == column.texts:
            problem = "has a comma; write numbers like 1234.5"
        elif column.numbers and 0 < column.gaps == column.texts:
            problem = "stands for no number; fill it in, leave the row or the column out, or leave a target empty"
        else:
            continue
        raise UnusableSource(f"column {_shown(column.name)}: {column.first_text} {problem}")


def _look(column: Seen, cell: str, line: int) -> None:
    if not cell:
        column.blanks += 1
        return
    value = number(cell)
    if value is None:
        column.texts += 1
        column.gaps += cell.lower() in GAPS
        column.decimal_commas += DECIMAL_COMMA.fullmatch(cell) is not None
        column.first_text = column.first_text or f"{_shown(cell)} in line {line}"
        return
    if not abs(value) <= LARGEST:  # so written that nan fails too
        where = f"line {line}, column {_shown(column.name)}"
        raise UnusableSource(f"{where}: {_shown(cell)} is not a finite 32-bit number")
    column.numbers += 1
    column.whole = column.whole and value.is_integer()


def _values(lines: Iterator[Line], seen: list[Seen]) -> tuple[NDArray[np.float64], list[list[str]]]:
    """The rows as numbers, nan where a cell is empty, and each text column's different texts, sorted; its numbers
    are their ranks."""
    codes: list[dict[str, int]] = [{} for _ in seen]
    flat = array("d")
    next(lines)
    for _, row in lines:
        for column, code, cell in zip(seen, codes, row, strict=True):
            if not cell:
                flat.append(np.nan)
            else:
                flat.append(code.setdefault(cell, len(code)) if column.texts else float(cell))
    values = np.array(flat).reshape(-1, len(seen))
    texts = [sorted(code) for code in codes]
    for position, column in enumerate(seen):
        if column.texts:
            ranks = {text: rank for rank, text in enumerate(texts[position])}
            by_code = np.array([ranks[text] for text in codes[position]])
            known = ~np.isnan(values[:, position])
            values[known, position] = by_code[values[known, position].astype(np.int64)]
    return values, texts


def _column(column: Seen, values: NDArray[np.float64], texts: list[str]) -> Column:
    values = values[~np.isnan(values)]
    if column.texts:
        counts = tuple(np.bincount(values.astype(np.int64)).tolist())
        few = len(texts) <= MAX_CLASSES
        return Column(
            name=column.name,
            kind="text",
            classes=tuple(texts) if few else None,
            class_counts=counts if few else None,
            missing=column.blanks,
        )
    distinct, rows = np.unique(values, return_counts=True)
    listed = column.whole and len(distinct) <= MAX_CLASSES
    return Column(
        name=column.name,
        kind="integer" if column.whole else "number",
        classes=tuple(str(int(value)) for value in distinct) if listed else None,
        class_counts=tuple(rows.tolist()) if listed else None,
        minimum=float(values.min()),
        maximum=float(values.max()),
        mean=float(values.mean()),
        dtype="float64" if needs_double(values, (0,)) else "float32",
        missing=column.blanks,
    )


def _shown(text: str) -> str:
    """A user's text in a message: quoted, escaped and short."""
    return repr(text if len(text) <= 40 else text[:40] + "…")
