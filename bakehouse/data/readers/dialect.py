"""Finds out how the cells of a text file are separated and quoted, from its first lines.

DuckDB's sniffer proposes a separator. Because it also takes what it cannot read for a title, each proposal is judged by
all lines that were looked at: by how many of them it divides into equally many cells.
"""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import duckdb

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.cell_store import connect

Record = tuple[int, list[str]]
"""A pair of line number and cells; a row of several lines has the number of its last line."""
DELIMITERS = (",", ";", "\t", "|", " ", "^", "~", ":")
SPACES = " "
"""As a delimiter, any number of spaces."""
UNLIKELY = (SPACES, "^", "~", ":")
MAX_CELL = 1 << 20
ESCAPED = '\\"'
"""A quote inside quotes, as other programs than Excel write it. With it, `csv` is not strict."""


@dataclass(frozen=True)
class Dialect:
    """How the cells of a file are written."""

    delimiter: str
    quote: str | None = '"'
    escape: str | None = None
    """The character before a quote inside quotes; null if such a quote is doubled."""
    start: int = 0
    """The number of lines before the table: 1 if the first line declares the separator."""


@dataclass(frozen=True)
class Trial:
    """A dialect with the share of the lines that it divides into equally many cells."""

    dialect: Dialect
    share: float
    cells: int


def read_records(lines: Iterable[str], dialect: Dialect) -> Iterator[Record]:
    """Yields the rows that are not blank; a row of nothing but separators is blank too."""
    csv.field_size_limit(MAX_CELL)
    lines = islice(lines, dialect.start, None)
    if dialect.delimiter == SPACES:
        lines = (line.rstrip(" \r\n") + "\n" for line in lines)
    reader = csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        quoting=csv.QUOTE_NONE if dialect.quote is None else csv.QUOTE_MINIMAL,
        escapechar=dialect.escape,
        doublequote=dialect.escape is None,
        skipinitialspace=True,
        strict=True,
    )
    end = 0
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield dialect.start + reader.line_num, cells
            end = reader.line_num
    except csv.Error as error:
        raise _refusal(error, dialect.start + end + 1, dialect.start + reader.line_num) from error


def _refusal(error: csv.Error, first: int, last: int) -> UnusableSource:
    """Returns the error for a row that begins in the line `first` and cannot be read beyond `last`."""
    reason = str(error)
    if reason == "unexpected end of data":
        return UnusableSource(f"line {first}: a quote is opened in this row and not closed until the end", line=first)
    if reason.startswith("field larger"):
        what = f"line {first}: a cell has more than {MAX_CELL:,} characters; is a quote not closed?"
        return UnusableSource(what, line=first)
    if "expected after" in reason:
        what = f"line {last}: text follows a quote that closes a cell; a quote inside quotes is doubled"
        begun = "" if first == last else f"; the row begins in line {first}"
        return UnusableSource(what + begun, line=last)
    return UnusableSource(f"line {last}: its quotes or escapes cannot be read", line=last)


def find_dialect(sample: Sequence[str]) -> Dialect:
    """Returns the dialect that divides most lines of the sample into equally many cells, at least two."""
    # Excel writes and obeys such a line.
    declared = sample[0].strip().lower() if sample else ""
    if declared.startswith("sep=") and len(declared) == 5:
        return replace(_best_quotes(sample[1:], declared[4]), start=1)
    # max() takes the first of equals.
    text = "".join(sample)
    proposed = _sniff(text)
    delimiters = dict.fromkeys((*([proposed] if proposed else []), *DELIMITERS))
    quotings = [Dialect(","), *([Dialect(",", escape="\\")] if ESCAPED in text else []), Dialect(",", None)]
    ways = [replace(quoting, delimiter=delimiter) for quoting in quotings for delimiter in delimiters]
    trials = [trial for way in ways if (trial := _try(sample, way)).cells > 1]
    if not trials:
        return Dialect(",")
    return _best_quotes(sample, max(trials, key=_rank).dialect.delimiter)


def _rank(trial: Trial) -> float:
    # Text has spaces, and a single quote out of place is an error in the file and no other way to write it.
    is_unlikely = trial.dialect.delimiter in UNLIKELY or trial.dialect.quote is None
    return round(trial.share, 2) - (0.2 if is_unlikely else 0.0)


def _best_quotes(sample: Sequence[str], delimiter: str) -> Dialect:
    plain = Dialect(delimiter)
    dialects = [plain, replace(plain, quote=None)]
    text = "".join(sample)
    if ESCAPED in text:
        dialects.insert(1, replace(plain, escape="\\"))
    if "'" in text and f'{delimiter}"' not in text:
        dialects.insert(0, replace(plain, quote="'"))
    trials = [_try(sample, dialect) for dialect in dialects]
    return max(trials, key=_rank).dialect


def _try(sample: Sequence[str], dialect: Dialect) -> Trial:
    widths: list[int] = []
    try:
        for _, cells in read_records(sample, dialect):
            if not cells[0].startswith("#"):
                widths.append(len(cells) - (cells[-1] == ""))
    except UnusableSource:
        # What comes after the error is not divided, but the last line of a sample may be cut within quotes.
        widths += [0] * (len(sample) // 2 if len(widths) < len(sample) // 2 else 1)
    if not widths:
        return Trial(dialect, 0.0, 0)
    commonest, count = Counter(widths).most_common(1)[0]
    return Trial(dialect, count / len(widths), commonest)


def _sniff(sample: str) -> str | None:
    """Returns the separator that DuckDB proposes, or None."""
    descriptor = os.memfd_create("sample")
    with os.fdopen(descriptor, "wb") as file:
        file.write(sample.encode(errors="replace"))
        file.flush()
        try:
            path = f"/proc/self/fd/{descriptor}"
            (found,) = connect(path).execute("SELECT Delimiter FROM sniff_csv(?, sample_size=-1)", [path]).fetchall()
        except duckdb.Error:
            return None
    return str(found[0]) if len(str(found[0])) == 1 and not str(found[0]).isalnum() else None
