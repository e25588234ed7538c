"""Reads `.csv` files, which have a header and then rows of numbers and text. An empty cell is a missing value.

The file is read twice, so that the whole text is never in memory, only the numbers.
"""

import csv
import os
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Table, check_rows, check_size
from bakehouse.data.precision import needs_double
from bakehouse.data.readers.labels import parse_number
from bakehouse.data.source_files import open_file
from bakehouse.plan.card import Column, ColumnKind
from bakehouse.plurals import count_of

MAX_CLASSES = 1_000
"""Limit on the number of distinct values that a column's card lists."""
# Most columns become float32, in which a larger number would be infinite.
MAX_NUMBER = float(np.finfo(np.float32).max)

PLACEHOLDERS = ("na", "n/a", "#n/a", "null", "none", "-", "?", ".")
"""Texts that programs write in place of a missing number."""
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")

Line = tuple[int, list[str]]
"""A pair of line number and cells; a row of several lines has the number of its last line."""


@dataclass
class ColumnSurvey:
    """The counts of a column's cells by kind, taken when the file is read for the first time."""

    name: str
    numbers: int = 0
    texts: int = 0
    placeholders: int = 0
    blanks: int = 0
    decimal_commas: int = 0
    first_text: str = ""
    whole: bool = True


def read_csv(path: Path) -> Table:
    """Reads a table. Its cells are separated by the most frequent in the header of comma, semicolon and tab."""
    # Both readings use one descriptor, because another file may take the name in between.
    with open_file(path) as file:
        columns, rows = _survey(_read_lines(file))
        for column in columns:
            _check_column(column)
        check_rows(rows)
        # The rows are counted by now, so the size is checked before the numbers take memory.
        check_size("its numbers", rows * len(columns) * 8)
        values, texts = _read_values(_read_lines(file), columns)
    return Table(
        values=values,
        columns=tuple(_describe_column(column, values[:, i], texts[i]) for i, column in enumerate(columns)),
        notes=list(_notes(columns)),
    )


def _notes(columns: list[ColumnSurvey]) -> Iterator[str]:
    for column in columns:
        if column.blanks:
            yield f"{_quote(column.name)} has empty cells ({column.blanks:,}): it can be a target, but not a feature"
    for column in columns:
        if 0 < column.texts < column.numbers:
            yield (
                f"{_quote(column.name)} is treated as text because of {column.first_text}, although most of its cells "
                "are numbers"
            )
    texts = [_quote(column.name) for column in columns if column.texts]
    if len(texts) > 1:
        yield (
            f"{', '.join(texts[:5])} are text, but features must be numbers: write them as numbers, or remove them "
            "except for the target"
        )


def _read_lines(file: BinaryIO) -> Iterator[Line]:
    """Yields the header, then each row that is not blank; refuses rows that are not as long as the header."""
    width = 0
    delimiter = _find_delimiter(file)
    # `file` has read ahead, and its own buffer must not be read again.
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    # Excel begins a file with a byte order mark, which would become part of the first name.
    with os.fdopen(file.fileno(), encoding="utf-8-sig", newline="", closefd=False) as text:
        reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            for row in reader:
                width = width or len(row)
                if row and len(row) != width:
                    raise UnusableSource(
                        f"line {reader.line_num} has {count_of(len(row), 'cell')}, but the header has {width}"
                    )
                if row:
                    yield reader.line_num, [cell.strip() for cell in row]
        except csv.Error as error:
            raise UnusableSource(f"line {reader.line_num}: {error}") from error
        except UnicodeDecodeError as error:
            # The text is decoded in blocks, so the reader does not know in which line the error is.
            line = _find_undecodable_line(file)
            raise UnusableSource(f"line {line}: the text is not UTF-8; save the file as UTF-8") from error


def _find_undecodable_line(file: BinaryIO) -> int:
    file.seek(0)
    return next(number for number, line in enumerate(file, start=1) if not _is_utf8(line))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _find_delimiter(file: BinaryIO) -> str:
    file.seek(0)
    # The limit matters for a file without line breaks, which would be read as a whole.
    header = file.readline(1 << 20)
    return max(",;\t", key=lambda delimiter: header.count(delimiter.encode()))


def _survey(lines: Iterator[Line]) -> tuple[list[ColumnSurvey], int]:
    """Counts the cells of each kind in each column, and the rows."""
    _, header = next(lines, (1, list[str]()))
    _check_header(header)
    columns = [ColumnSurvey(name) for name in header]
    rows = 0
    for line, row in lines:
        rows += 1
        for column, cell in zip(columns, row, strict=True):
            _count_cell(column, cell, line)
    return columns, rows


def _check_header(header: list[str]) -> None:
    if not header:
        raise UnusableSource("the file is empty; it needs a header and rows")
    if len(header) < 2:
        raise UnusableSource("line 1: the header has one column; at least two are needed, separated by commas")
    if "" in header:
        hint = "; in pandas, `to_csv(..., index=False)` leaves the row numbers out" if header[0] == "" else ""
        raise UnusableSource(f"line 1: column {header.index('') + 1} has no name{hint}")
    name, times = Counter(header).most_common(1)[0]
    if times > 1:
        raise UnusableSource(f"line 1: {times} columns have the name {_quote(name)}; names must differ")
    if all(parse_number(cell) is not None for cell in header):
        raise UnusableSource("line 1: all cells are numbers; the first line must have the names of the columns")


def _count_cell(column: ColumnSurvey, cell: str, line: int) -> None:
    if not cell:
        column.blanks += 1
        return
    value = parse_number(cell)
    if value is None:
        column.texts += 1
        column.placeholders += cell.lower() in PLACEHOLDERS
        column.decimal_commas += DECIMAL_COMMA.fullmatch(cell) is not None
        column.first_text = column.first_text or f"{_quote(cell)} in line {line}"
        return
    if not abs(value) <= MAX_NUMBER:  # written so that nan fails too
        problem = f"{_quote(cell)} is not a finite number in the range of float32"
        raise UnusableSource(f"line {line}, column {_quote(column.name)}: {problem}")
    column.numbers += 1
    column.whole = column.whole and value.is_integer()


def _check_column(column: ColumnSurvey) -> None:
    """Refuses an empty column, and a column of numbers that reads as text only because of how they are written."""
    name = _quote(column.name)
    if not column.texts and not column.numbers and column.blanks:
        raise UnusableSource(f"column {name} is empty in all rows: remove it")
    if column.texts and column.decimal_commas == column.texts:
        raise UnusableSource(
            f"column {name}: {column.first_text} has a decimal comma; write numbers with a point, as in 1234.5"
        )
    if column.numbers and 0 < column.placeholders == column.texts:
        raise UnusableSource(
            f"column {name}: {column.first_text} is not a number; fill in a number, remove the row or the column, or, "
            "if the column is a target, leave the cell empty"
        )


def _read_values(lines: Iterator[Line], columns: list[ColumnSurvey]) -> tuple[NDArray[np.float64], list[list[str]]]:
    """Returns the rows as numbers, and the sorted list of the distinct texts of each column.

    An empty cell becomes nan, and a text becomes its index in the list.
    """
    codes: list[dict[str, int]] = [{} for _ in columns]
    # A list of floats would take four times the memory.
    flat = array("d")
    next(lines)
    for _, row in lines:
        for column, code, cell in zip(columns, codes, row, strict=True):
            if not cell:
                flat.append(np.nan)
            else:
                flat.append(code.setdefault(cell, len(code)) if column.texts else float(cell))
    values = np.frombuffer(flat).reshape(-1, len(columns))
    # Codes are in the order of appearance, but class numbers are in sorted order.
    texts = [sorted(code) for code in codes]
    for index, column in enumerate(columns):
        if column.texts:
            ranks = {text: rank for rank, text in enumerate(texts[index])}
            rank_of_code = np.array([ranks[text] for text in codes[index]])
            known = ~np.isnan(values[:, index])
            values[known, index] = rank_of_code[values[known, index].astype(np.int64)]
    return values, texts


def _describe_column(column: ColumnSurvey, values: NDArray[np.float64], texts: list[str]) -> Column:
    values = values[~np.isnan(values)]
    if column.texts:
        counts = tuple(np.bincount(values.astype(np.int64)).tolist())
        is_listed = len(texts) <= MAX_CLASSES
        return Column(
            name=column.name,
            kind=_kind_of_texts(len(texts)),
            classes=tuple(texts) if is_listed else None,
            class_counts=counts if is_listed else None,
            missing=column.blanks,
        )
    distinct, rows = np.unique(values, return_counts=True)
    is_listed = column.whole and len(distinct) <= MAX_CLASSES
    return Column(
        name=column.name,
        kind="number" if len(distinct) > 1 else "constant",
        whole=column.whole,
        classes=tuple(str(int(value)) for value in distinct) if is_listed else None,
        class_counts=tuple(rows.tolist()) if is_listed else None,
        minimum=float(values.min()),
        maximum=float(values.max()),
        mean=float(values.mean()),
        dtype="float64" if needs_double(values, (0,)) else "float32",
        missing=column.blanks,
    )


def _kind_of_texts(distinct: int) -> ColumnKind:
    """Returns the kind of a column with so many distinct texts."""
    if distinct <= 2:
        return "constant" if distinct == 1 else "boolean"
    return "category" if distinct <= MAX_CLASSES else "text"


def _quote(text: str) -> str:
    """Quotes, escapes and shortens a user's text for a message."""
    return repr(text if len(text) <= 40 else text[:40] + "…")
