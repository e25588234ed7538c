"""Reads the rows of a user's file to predict for them: text with any usual separator, JSON, or JSON lines."""

import codecs
import csv
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import typer

from bakehouse.plan.card import TextForm

DELIMITERS = (",", ";", "\t", "|")
TABLES = (".csv", ".tsv", ".txt", ".data")
TITLE_LINES = 20
"""Number of lines among which the header is looked for, since titles and comments may be above it."""


@dataclass(frozen=True)
class RowFile:
    """The rows of a file, as they are sent, with the line of each."""

    rows: list[Any]
    lines: list[int]
    noun: str = "line"


def read_rows(file: Path, columns: Sequence[str], form: TextForm | None) -> RowFile:
    """Reads the rows of a file. `columns` are those of the data set, if they have names, and `form` is how its text is
    written; a file that is written in another way is read too."""
    name = file.name.lower().removesuffix(".gz")
    content = gzip.decompress(file.read_bytes()) if file.name.lower().endswith(".gz") else file.read_bytes()
    text = decode(content, form)
    if name.endswith((".jsonl", ".ndjson")):
        return read_json_lines(text)
    if name.endswith(".json"):
        return read_json(text)
    if name.endswith(TABLES):
        return read_named(text, columns, form) if columns else read_numbers(text, form)
    raise refusal(f"{file.name} should end in .csv, .tsv, .txt, .json, .jsonl or .npz, or be a picture")


def refusal(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint="FILE")


def decode(content: bytes, form: TextForm | None) -> str:
    """Decodes UTF-8, UTF-16 with its byte order mark, or else what the data set is written in."""
    # Without the mark, most texts with an even number of bytes could be UTF-16.
    marked = ("utf-16",) if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ()
    for encoding in ("utf-8-sig", *marked, *([form.encoding] if form is not None else []), "latin-1"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise AssertionError("every byte is a character of latin-1")


def read_json(text: str) -> RowFile:
    """Reads a list of rows, or an object with it as `rows`."""
    document = parse(text, "the file")
    rows = document.get("rows") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise refusal('the file should be a list of rows, or an object with them: {"rows": [...]}')
    return RowFile(rows, list(range(len(rows))), noun="item")


def read_json_lines(text: str) -> RowFile:
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return RowFile([parse(line, f"line {number}") for number, line in lines], [number for number, _ in lines])


def parse(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise refusal(f"{what} is not JSON: {error}") from error


def read_named(text: str, columns: Sequence[str], form: TextForm | None) -> RowFile:
    """Reads rows by the names in the header, which is the line with most of the data set's columns."""
    candidates = [
        (len({*cells} & {*columns}), -place, delimiter)
        for delimiter in delimiters(form)
        for place, (_, cells) in enumerate(islice(records(text, delimiter, form), TITLE_LINES))
    ]
    found, place, delimiter = max(candidates, key=lambda each: each[:2], default=(0, 0, ","))
    if not found:
        shown = ", ".join(columns[:10])
        raise refusal(f"no line has the names of the data set's columns, which are {shown}")
    (_, header), *rows = islice(records(text, delimiter, form), -place, None)
    names: Sequence[str | None] = header
    # The data set's own file may have row numbers, for which its header has no cell.
    if form is not None and {*header} <= {*form.names} and rows and len(rows[0][1]) == len(form.names):
        names = header if len(header) == len(form.names) else form.names
    for line, cells in rows:
        if len(cells) != len(names):
            raise refusal(f"line {line} has {len(cells)} cells, and the header has {len(names)}")
    return RowFile([name_cells(names, cells) for _, cells in rows], [line for line, _ in rows])


def name_cells(names: Sequence[str | None], cells: Sequence[str]) -> dict[str, str]:
    """Returns a row by the names of its columns, without those that have none."""
    return {name: cell for name, cell in zip(names, cells, strict=True) if name is not None}


def read_numbers(text: str, form: TextForm | None) -> RowFile:
    """Reads rows of a set without named columns; a header is passed over."""
    delimiter = max(delimiters(form), key=lambda each: len(next(records(text, each, form), (0, [""]))[1]))
    rows = [(line, [as_number(cell) for cell in cells]) for line, cells in records(text, delimiter, form)]
    if rows and all(isinstance(cell, str) for cell in rows[0][1]):
        rows = rows[1:]
    return RowFile([cells for _, cells in rows], [line for line, _ in rows])


def as_number(cell: str) -> float | str:
    """Returns the number of a cell; a text is sent as it is, so that the service can say where it is."""
    try:
        return float(cell)
    except ValueError:
        return cell


def delimiters(form: TextForm | None) -> Sequence[str]:
    """Returns the separators to try, that of the data set first."""
    return tuple(dict.fromkeys([*([form.delimiter] if form is not None else []), *DELIMITERS]))


def records(text: str, delimiter: str, form: TextForm | None) -> Iterator[tuple[int, list[str]]]:
    """Yields the line and the cells of each record that is not empty."""
    quote = '"' if form is None else form.quote or '"'
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote, skipinitialspace=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise refusal(f"line {reader.line_num} cannot be read: {error}") from error
