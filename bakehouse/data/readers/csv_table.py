"""Reads tables that are text: `.csv`, `.tsv`, `.txt` and `.data` files, which may be compressed.

Bakehouse finds the rows, so that each bad one is refused with its line; DuckDB holds their cells in columns.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

from bakehouse.data.parsed import Table
from bakehouse.data.readers.cell_store import store_rows
from bakehouse.data.readers.dialect import Dialect, find_dialect, read_records
from bakehouse.data.readers.layout import Layout, cut_rows, find_layout
from bakehouse.data.readers.tables import make_table
from bakehouse.data.readers.text_lines import TextLines, open_lines
from bakehouse.plan.card import TextForm

SAMPLE_LINES = 2_000
SAMPLE_CHARACTERS = 4 << 20
SAMPLE_ROWS = 1_000


@dataclass(frozen=True)
class Form:
    """How the cells of a file are written, and where its rows begin."""

    dialect: Dialect
    layout: Layout


def read_csv(path: Path) -> Table:
    """Reads a table; its separator, its header and the kinds of its columns are found by looking at it."""
    with open_lines(path) as lines:
        form = find_form(lines)
        dialect, layout = form.dialect, form.layout
        store = store_rows(cut_rows(read_records(lines, dialect), layout), layout.width, place="line")
        notes = [*_describe_encoding(lines), *layout.notes]
    table = make_table(store, layout.names, notes, is_comma_likely=dialect.delimiter == ";")
    return replace(
        table, text=TextForm(encoding=lines.encoding, **asdict(dialect), skipped=layout.skipped, names=table.cells)
    )


def find_form(lines: TextLines) -> Form:
    """Finds the form of a file by looking at its beginning."""
    dialect = find_dialect(list(_first_lines(lines)))
    return Form(dialect, find_layout(list(islice(read_records(lines, dialect), SAMPLE_ROWS))))


def _first_lines(lines: TextLines) -> Iterator[str]:
    characters = 0
    for line in islice(lines, SAMPLE_LINES):
        yield line
        characters += len(line)
        if characters > SAMPLE_CHARACTERS:
            return


def _describe_encoding(lines: TextLines) -> Iterator[str]:
    if not lines.encoding.startswith("utf"):
        yield f"the text is not UTF-8 and was read as {lines.encoding}, by a guess: save it as UTF-8 if that is wrong"
    elif not lines.encoding.startswith("utf-8"):
        yield f"the text was read as {lines.encoding[:6].upper()}"
