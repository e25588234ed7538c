"""Finds the header of a table among its first rows, and the columns that are none."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.dialect import Record
from bakehouse.data.readers.missing_marks import MARKS
from bakehouse.data.readers.written_numbers import PLAIN
from bakehouse.plurals import count_of

IS_NUMBER = re.compile(PLAIN)
COMMENT = "#"
YEARS = range(1500, 2200)


@dataclass(frozen=True)
class Layout:
    """Where the rows of a table begin, and what its columns are called; an empty name is for later to replace."""

    skipped: int
    """The number of records before the first row: titles, comments, and the header."""
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return len(self.names)


def find_layout(sample: Sequence[Record]) -> Layout:
    """Finds the header among the first records of a file."""
    if not sample:
        raise UnusableSource("the file is empty; it needs a header and rows")
    first = _first_of_table(sample)
    notes = [_describe_skipped(sample[:first])] if first else []
    head, *rows = [cells for _, cells in sample[first:]]
    if head[0].startswith(COMMENT) and len(head) > 1:
        head = [head[0].removeprefix(COMMENT).strip(), *head[1:]]
    rows = [row for row in rows if not is_comment(row, len(head))]
    head = _trim(head, rows)
    if len(head) == 1 and all(len(row) == 1 for row in rows):
        line = sample[first][0]
        raise UnusableSource(
            f"line {line}: the header has one column; at least two are needed, separated by commas, semicolons, tabs, "
            "|, spaces, ^, ~ or :",
            line=line,
        )
    if not _is_header(head, rows):
        notes.append("the first line is a row and no header, so the columns are called column_1, column_2, …")
        return Layout(first, tuple(f"column_{number}" for number in range(1, len(head) + 1)), tuple(notes))
    # R writes no name above the names of the rows.
    if rows and all(len(row) == len(head) + 1 and row[-1] != "" for row in rows[:20]):
        head = ["", *head]
    return Layout(first + 1, tuple(head), tuple(notes))


def cut_rows(records: Iterator[Record], layout: Layout) -> Iterator[Sequence[str | int]]:
    """Yields line number and cells of the rows, each as long as the header; refuses one that is not. Comments are left
    out."""
    width = layout.width
    for number, (line, cells) in enumerate(records):
        if number < layout.skipped or is_comment(cells, width):
            continue
        while len(cells) > width and cells[-1] == "":
            cells.pop()
        if len(cells) != width:
            message = f"line {line} has {count_of(len(cells), 'cell')}, but the header has {width}"
            raise UnusableSource(message, line=line)
        yield line, *cells


def is_comment(cells: Sequence[str], width: int) -> bool:
    """Whether a row is a comment: one that begins with # and is not as long as the others."""
    return cells[0].startswith(COMMENT) and len(cells) != width


def _first_of_table(sample: Sequence[Record]) -> int:
    """Returns the index of the header: the first record with about as many filled cells as most records have cells."""
    widths = Counter(len(cells) for _, cells in sample if not cells[0].startswith(COMMENT))
    width = widths.most_common(1)[0][0] if widths else 0
    for index, (_, cells) in enumerate(sample):
        filled = sum(cell != "" for cell in cells)
        is_title = filled < min(len(cells), width) and filled <= 1 and width > 2
        is_short = len(cells) < width - 1 or (len(cells) == 1 and width > 2)
        is_odd = cells[0].startswith(COMMENT) and (
            len(cells) != width or (_is_name_row(sample, index + 1, width) and not _has_numbers(cells))
        )
        if not (is_title or is_short or is_odd):
            # A file of two columns: R's header has one name for them, a title is followed by the header.
            if len(cells) == 1 and width == 2 and _is_name_row(sample, index + 1, width):
                continue
            return index
    return 0


def _is_name_row(sample: Sequence[Record], index: int, width: int) -> bool:
    """Whether a record looks like a header: as many texts as the rows have cells, and numbers below it."""
    if index + 1 >= len(sample):
        return False
    cells, below = sample[index][1], sample[index + 1][1]
    return len(cells) == width and not _has_numbers(cells) and _has_numbers(below)


def _has_numbers(cells: Sequence[str]) -> bool:
    return any(IS_NUMBER.fullmatch(cell) for cell in cells)


def _trim(head: list[str], rows: Sequence[list[str]]) -> list[str]:
    """Leaves out the empty cells that separators at the end of the lines make."""
    while len(head) > 1 and head[-1] == "" and all(len(row) < len(head) or row[len(head) - 1] == "" for row in rows):
        head = head[:-1]
    return head


def _is_header(head: Sequence[str], rows: Sequence[list[str]]) -> bool:
    """Whether the first line has names. It is a row if it has a number above each column of numbers, or texts that come
    again below, unless the numbers count up, as years do."""
    if not rows:
        return True
    columns = list(zip(*(row for row in rows if len(row) == len(head)), strict=True))
    if not columns:
        return True
    are_numbers = [all(cell in MARKS or IS_NUMBER.fullmatch(cell) for cell in column) for column in columns]
    numeric = [head[index] for index, each in enumerate(are_numbers) if each]
    texts = [index for index, each in enumerate(are_numbers) if not each]
    recurring = sum(head[index] in columns[index] for index in texts)
    if not numeric:
        return recurring <= len(texts) / 2
    if not all(IS_NUMBER.fullmatch(cell) for cell in numeric):
        return True
    if texts:
        return recurring == 0 and _are_names(numeric)
    return _are_names(numeric)


def _are_names(cells: Sequence[str]) -> bool:
    """Whether numbers name columns: whole numbers that count up, or years."""
    if not all(cell.isdecimal() and len(cell) < 10 for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    steps = {after - before for before, after in pairwise(numbers)}
    years = set(YEARS).issuperset(numbers) and min(steps, default=1) > 0
    return years or steps == {1}


def _describe_skipped(records: Sequence[Record]) -> str:
    lines = "line 1 is" if len(records) == 1 else f"the first {len(records)} lines are"
    text = " ".join(cell for cell in records[0][1] if cell)[:40]
    return f"{lines} above the header and not part of the table: {text!r}"
