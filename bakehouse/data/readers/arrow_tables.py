"""Reads the rows of Arrow files that `save_to_disk` of Hugging Face's library `datasets` has written as a table."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import SPLITS, Samples, Table, quote
from bakehouse.data.readers.arrow_folders import (
    ArrowFolder,
    arrow_errors,
    find_files,
    import_pyarrow,
    named,
    read_file,
)
from bakehouse.data.readers.cell_store import open_arrow, raise_if_no_room, store_cells
from bakehouse.data.readers.own_splits import compare_columns, divide
from bakehouse.data.readers.sequences import holds_sequences, read_sequences
from bakehouse.data.readers.tables import make_table


def read_arrow_table(source: Path) -> Table | Samples:
    """Reads the rows of all files, and divides them among the splits of the folder."""
    notes: list[str] = []
    folder = find_files(source, notes)
    pyarrow = import_pyarrow()
    with arrow_errors(source.name):
        splits = {split: read_split(folder, split) for split in SPLITS if split in folder.files}
        names = splits[""].column_names
        for split, each in splits.items():
            notes += compare_columns(names, each.column_names, split[1:] or "train")
        shared = [each.select([name for name in names if name in each.column_names]) for each in splits.values()]
        rows = pyarrow.concat_tables(shared, promote_options="permissive")
    return divide(make_contents(rows, notes), {split: len(each) for split, each in splits.items()})


def read_split(folder: ArrowFolder, split: str) -> Any:
    """Returns the rows of a split, with the names of classes in place of their numbers."""
    pyarrow = import_pyarrow()
    rows = pyarrow.concat_tables([read_file(folder.source, path) for path in folder.files[split]])
    columns = [named(rows[index], folder.features.get(name, {})) for index, name in enumerate(rows.column_names)]
    return pyarrow.table(columns, names=rows.column_names)


def make_contents(rows: Any, notes: list[str]) -> Table | Samples:
    """Makes a table whose columns have kinds, or sequences if a column has lists of numbers."""
    names = rows.column_names
    if len(set(map(str.lower, names))) < len(names):
        listed = ", ".join(map(quote, sorted(names)))[:200]
        raise UnusableSource(f"two of its columns have one name, apart from upper and lower case: {listed}")
    try:
        found = open_arrow(rows)
        if holds_sequences(found.types):
            samples = read_sequences(found, "arrow")
            return replace(samples, notes=[*notes, *samples.notes])
        store = store_cells(found)
    except duckdb.Error as error:
        raise_if_no_room(error)
        raise UnusableSource("its Arrow files have columns that cannot be read as numbers or text") from error
    return replace(make_table(store, names, notes), format="arrow")
