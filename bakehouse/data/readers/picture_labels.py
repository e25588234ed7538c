"""Reads a CSV file that names the pictures of a folder and their labels."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bakehouse.data.source_files import open_file
from bakehouse.data.split_names import find_suffix
from bakehouse.plurals import count_of

PicturePath = tuple[str, ...]
SUFFIXES = (".csv", ".tsv")
LABELS = (
    "label", "labels", "class", "class_name", "classname", "class_id", "category", "target", "y", "species", "breed",
    "diagnosis", "dx",
)  # fmt: skip
"""The names of columns of labels, if a file has more than two columns."""
SPLITS = ("split", "set", "subset", "partition")
"""The names of columns that say which split a picture belongs to."""
MAX_BYTES = 256 << 20
Row = list[str]


@dataclass(frozen=True)
class Labels:
    """The labels of a file, by the paths of the pictures."""

    by_path: dict[PicturePath, str]
    splits: dict[PicturePath, str]
    notes: list[str]


@dataclass(frozen=True)
class Columns:
    """The places of the columns in each row."""

    file: int
    label: int
    split: int | None


def read_labels(source: Path, path: PicturePath, pictures: Sequence[PicturePath]) -> Labels | str:
    """Reads the labels; returns the reason if the file does not give any."""
    name = show(path)
    try:
        rows = _read_rows(source, path)
    except csv.Error:
        return f"{name} was not read as a file of labels: it is damaged, or a quote in it is not closed"
    except ValueError as error:
        return f"{name} was not read as a file of labels: {error}"
    places = _places(pictures, path[:-1])
    file = _find_file_column(rows, places)
    if file is None:
        return f"{name} was not read as a file of labels: no column of it has the names of the pictures"
    # A header names no picture.
    header = [] if rows[0][file].strip() in places else [cell.strip() for cell in rows[0]]
    label = _find_label_column(rows, header, file)
    if label is None:
        return (
            f"{name} was not read as a file of labels: it has the columns {', '.join(header)[:200]}; call that of the "
            "labels `label`"
        )
    split = next((place for place, column in enumerate(header) if column.lower() in SPLITS), None)
    return _label(name, rows[1:] if header else rows, Columns(file, label, split), places, len(pictures))


def _read_rows(source: Path, path: PicturePath) -> list[Row]:
    with open_file(source, *path) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    if not rows or len(rows[0]) < 2:
        raise ValueError("it has fewer than two columns")
    if uneven := [number for number, row in enumerate(rows, start=1) if len(row) != len(rows[0])]:
        raise ValueError(f"row {uneven[0]} has {len(rows[uneven[0] - 1])} cells, but the first has {len(rows[0])}")
    return rows


def _places(pictures: Sequence[PicturePath], base: PicturePath) -> dict[str, PicturePath]:
    """Returns the picture for each way to name it: by its path, or, if no other has the same, by its name with or
    without its ending."""
    names = Counter(path[-1] for path in pictures)
    stems = Counter(_stem(path) for path in pictures)
    places = {_stem(path): path for path in pictures if stems[_stem(path)] == 1}
    places |= {path[-1]: path for path in pictures if names[path[-1]] == 1}
    return places | {"/".join(path[len(base) :]): path for path in pictures if path[: len(base)] == base}


def _stem(path: PicturePath) -> str:
    return path[-1].rpartition(".")[0]


def _find_file_column(rows: list[Row], places: dict[str, PicturePath]) -> int | None:
    """Returns the column of which the most cells name a picture, if these are at least half of the cells."""
    counts = [sum(_key(row[column]) in places for row in rows) for column in range(len(rows[0]))]
    best = max(range(len(counts)), key=counts.__getitem__)
    return best if 2 * counts[best] >= len(rows) else None


def _key(cell: str) -> str:
    return cell.strip().replace("\\", "/").removeprefix("./")


def _find_label_column(rows: list[Row], header: Row, file: int) -> int | None:
    if len(rows[0]) == 2:
        return 1 - file
    named = [column.lower() for column in header]
    return next((named.index(name) for name in LABELS if name in named and named.index(name) != file), None)


def _label(name: str, rows: list[Row], columns: Columns, places: dict[str, PicturePath], pictures: int) -> Labels:
    by_path: dict[PicturePath, str] = {}
    splits: dict[PicturePath, str] = {}
    absent: list[str] = []
    unlabelled: list[str] = []
    for row in rows:
        path = places.get(_key(row[columns.file]))
        label = row[columns.label].strip()
        if path is None or not label:
            (absent if path is None else unlabelled).append(row[columns.file])
            continue
        by_path[path] = label
        splits[path] = (find_suffix(row[columns.split].strip()) or "") if columns.split is not None else ""
    notes = [f"the labels are those of {name}"]
    if absent:
        notes.append(f"{count_of(len(absent), 'row')} of {name} name no picture, such as {absent[0][:80]!r}")
    if unlabelled:
        notes.append(f"pictures without a label were left out: {len(unlabelled)}, such as {unlabelled[0][:80]!r}")
    others = pictures - len(by_path) - len(unlabelled)
    if others > 0:
        notes.append(f"pictures that {name} does not name were left out: {others}")
    return Labels(by_path, splits, notes)


def show(path: PicturePath) -> str:
    """Returns a path for a message, of which only the last part is needed, as valid Unicode."""
    return "/".join(path)[-80:].encode(errors="backslashreplace").decode()
