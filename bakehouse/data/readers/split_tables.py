"""Reads folders of tables whose names, or the names of whose folders, say which split their rows are of, such as
`train.csv` and `test.csv`, or `train/a.parquet` and `test/a.parquet`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import BinaryIO, Literal

import duckdb

from bakehouse.data.errors import TEXT_ENDINGS, UnusableSource, without_ending
from bakehouse.data.parsed import SPLITS, Samples, Table
from bakehouse.data.readers.cell_store import open_typed, open_typed_files, store_cells, store_rows
from bakehouse.data.readers.csv_table import Form, find_form
from bakehouse.data.readers.dialect import read_records
from bakehouse.data.readers.layout import cut_rows
from bakehouse.data.readers.own_splits import compare_columns, divide
from bakehouse.data.readers.picture_files import list_all
from bakehouse.data.readers.picture_labels import PicturePath, show
from bakehouse.data.readers.sequences import holds_sequences, read_sequences
from bakehouse.data.readers.tables import make_table
from bakehouse.data.readers.text_lines import open_lines
from bakehouse.data.readers.typed_tables import explain
from bakehouse.data.source_files import list_folder, open_file
from bakehouse.data.split_names import find_suffix
from bakehouse.plurals import listed

FORMATS: Mapping[str, Literal["csv", "parquet", "json"]] = {
    **dict.fromkeys(TEXT_ENDINGS, "csv"),
    ".parquet": "parquet",
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
}
UPPER_FOLDER = "data"
"""The folder that holds the tables in repositories of data sets."""
WORDS = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class SplitTables:
    """The tables of a folder, by the suffix of their split; those of train come first."""

    source: Path
    files: Mapping[str, Sequence[PicturePath]]
    notes: Sequence[str]


@dataclass
class Part:
    """A table of text among several."""

    path: PicturePath
    split: str
    form: Form
    rows: int = 0


def find_split_tables(source: Path) -> SplitTables | None:
    """Returns the tables of a folder, or None unless one of them is of the train split and there are no pictures."""
    tables = [path for path in list_tables(source) if format_of(path) is not None]
    files = {split: [path for path in tables if split_of(path) == split] for split in SPLITS}
    # A table beside pictures has their labels.
    if not files[""] or list_all(source).pictures:
        return None
    others = [show(path) for path in tables if split_of(path) is None]
    notes = [f"tables whose names say no split were passed over: {listed(others)}"] if others else []
    return SplitTables(source, {split: paths for split, paths in files.items() if paths}, notes)


def list_tables(source: Path) -> Iterator[PicturePath]:
    """Yields the files in the folder, and in those folders in it that have the name of a split."""
    for name, kind in list_folder(source).items():
        if kind == "file" and not name.startswith("."):
            yield (name,)
        elif kind == "folder" and (find_suffix(name) is not None or name.lower() == UPPER_FOLDER):
            inside = list_folder(source, name).items()
            yield from ((name, file) for file, kind in inside if kind == "file" and not file.startswith("."))


def format_of(path: PicturePath) -> Literal["csv", "parquet", "json"] | None:
    """Returns the format of a table by its name."""
    return FORMATS.get(PurePath(path[-1].lower().removesuffix(".gz")).suffix)


def split_of(path: PicturePath) -> str | None:
    """Returns the suffix of the split that the folder or the name of a file means."""
    if len(path) > 1 and path[0].lower() != UPPER_FOLDER:
        return find_suffix(path[0])
    words = WORDS.findall((without_ending(path[-1]) or "").lower())
    found = {suffix for word in words if (suffix := find_suffix(word)) is not None}
    return found.pop() if len(found) == 1 else None


def read_split_tables(found: SplitTables) -> Table | Samples:
    """Reads the rows of all files, and divides them among the splits."""
    formats = {path: format_of(path) for paths in found.files.values() for path in paths}
    match sorted({kind for kind in formats.values() if kind is not None}):
        case ["csv"]:
            return read_texts(found)
        case ["parquet"]:
            return read_typed(found, "parquet")
        case ["json"]:
            return read_typed(found, "json")
        case _:
            names = listed([show(path) for path in formats])
            raise UnusableSource(f"the tables of its splits have different formats: {names}; keep those of one format")


def read_texts(found: SplitTables) -> Table | Samples:
    """Reads tables of text."""
    parts = [
        Part(path, split, find_form_of(found.source, path)) for split, paths in found.files.items() for path in paths
    ]
    header = parts[0].form.layout.names
    notes = [*found.notes, *parts[0].form.layout.notes]
    for part in parts:
        notes += compare(header, part.form.layout.names, part.split, part.path)
    store = store_rows(read_rows(found.source, parts, header), len(header), place="row")
    rows = {split: sum(part.rows for part in parts if part.split == split) for split in found.files}
    is_comma_likely = parts[0].form.dialect.delimiter == ";"
    table = make_table(store, header, notes, is_comma_likely=is_comma_likely, part_rows=max(rows.values()))
    return divide(table, rows)


def find_form_of(source: Path, path: PicturePath) -> Form:
    with naming(path), open_lines(source, *path) as lines:
        return find_form(lines)


def read_rows(source: Path, parts: Sequence[Part], header: Sequence[str]) -> Iterator[Sequence[str | int]]:
    """Yields the number and the cells of each row, in the order of the header; counts the rows of each part."""
    number = 0
    for part in parts:
        layout = part.form.layout
        places = [layout.names.index(name) if name in layout.names else None for name in header]
        is_same = layout.names == tuple(header)
        with naming(part.path), open_lines(source, *part.path) as lines:
            for _, *cells in cut_rows(read_records(lines, part.form.dialect), layout):
                yield number, *(cells if is_same else ["" if place is None else cells[place] for place in places])
                number += 1
                part.rows += 1


def read_typed(found: SplitTables, kind: Literal["parquet", "json"]) -> Table | Samples:
    """Reads tables of typed columns, or sequences."""
    paths = [(split, path) for split, paths in found.files.items() for path in paths]
    notes = [*found.notes]
    with ExitStack() as stack:
        files = [stack.enter_context(open_file(found.source, *path)) for _, path in paths]
        try:
            parts, joined = open_typed_files(files, kind)
            for (split, path), part in zip(paths, parts, strict=True):
                notes += compare([*parts[0].types], [*part.types], split, path)
            counts = [part.count_rows() for part in parts]
            rows = {
                split: sum(count for (other, _), count in zip(paths, counts, strict=True) if other == split)
                for split in found.files
            }
            if holds_sequences(joined.types):
                samples = read_sequences(joined, kind)
                return divide(replace(samples, notes=[*notes, *samples.notes]), rows)
            store = store_cells(joined)
        except duckdb.Error as error:
            (_, path), file = find_broken(paths, files, kind)
            raise explain(error, file, show(path), kind) from error
    table = make_table(store, [*joined.types], notes, part_rows=max(rows.values()))
    return divide(replace(table, format=kind), rows)


def find_broken(
    paths: Sequence[tuple[str, PicturePath]], files: Sequence[BinaryIO], kind: Literal["parquet", "json"]
) -> tuple[tuple[str, PicturePath], BinaryIO]:
    """Returns the first file that cannot be read alone, or else the last one."""
    for path, file in zip(paths, files, strict=True):
        try:
            store_cells(open_typed(file, kind))
        except duckdb.Error:
            return path, file
        except UnusableSource:
            continue
    return paths[-1], files[-1]


def compare(header: Sequence[str], names: Sequence[str], split: str, path: PicturePath) -> Iterator[str]:
    """Yields notes on columns that not all files have. Raises UnusableSource if those of the train split differ."""
    if split == "" and set(names) != set(header):
        raise UnusableSource(
            f"{show(path)} has other columns than the first table of the train split: {listed(names)}, not "
            f"{listed(header)}",
            file=show(path),
        )
    yield from compare_columns(header, names, show(path))


@contextmanager
def naming(path: PicturePath) -> Iterator[None]:
    """Adds the name of the file to a refusal."""
    try:
        yield
    except UnusableSource as error:
        message = f"{show(path)}: {error}"
        raise UnusableSource(message, file=show(path), line=error.line, column=error.column) from error
