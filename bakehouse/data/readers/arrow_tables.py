"""Reads the rows of Arrow files that `save_to_disk` of Hugging Face's library `datasets` has written as a table.

A table whose columns have kinds is split by recipes. So if the folder has splits, inputs that are all numbers and a
plain target become arrays, which have splits of their own; of any other table, the training rows are read.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array, Samples, Table, check_rows, check_size, quote
from bakehouse.data.precision import narrow_if_exact
from bakehouse.data.readers.arrow_folders import (
    ArrowFolder,
    arrow_errors,
    find_files,
    find_target,
    import_pyarrow,
    named,
    read_file,
)
from bakehouse.data.readers.cell_store import open_arrow, store_cells
from bakehouse.data.readers.labels import encode_targets
from bakehouse.data.readers.sequences import holds_sequences, read_sequences
from bakehouse.data.readers.tables import make_table
from bakehouse.plurals import count_of


def read_arrow_table(source: Path) -> Table | Samples:
    """Reads the rows of all files."""
    notes: list[str] = []
    folder = find_files(source, notes)
    with arrow_errors(source.name):
        rows = {split: read_split(folder, split) for split in folder.files}
        if any(each.column_names != rows[""].column_names for each in rows.values()):
            raise UnusableSource("its splits have different columns")
        target = find_target(folder, list(rows[""].column_names))
        if len(rows) > 1 and target is not None and all(has_numbers(each, target) for each in rows.values()):
            return make_samples(rows, target, notes)
    others = [f"{count_of(len(each), 'row')} of {split[1:]}" for split, each in rows.items() if split]
    if others:
        notes.append(
            f"{' and '.join(others)} were left out, because recipes split such rows themselves: only a table "
            "of numbers without empty cells, with one column of classes, keeps its splits"
        )
    return make_contents(rows[""], notes)


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
    except duckdb.OutOfMemoryException as error:
        raise MemoryError from error
    except duckdb.Error as error:
        raise UnusableSource(f"its Arrow files cannot be read: {str(error).splitlines()[0][:200]}") from error
    return replace(make_table(store, names, notes), format="arrow")


def has_numbers(rows: Any, target: str) -> bool:
    """Whether all cells but those of the target are numbers."""
    return len(rows.column_names) > 1 and all(
        name == target or (to_numbers(rows[name]) is not None) for name in rows.column_names
    )


def to_numbers(column: Any) -> Array | None:
    """Returns a column as numbers; None if it has anything else."""
    types = import_pyarrow().types
    is_number = types.is_integer(column.type) or types.is_floating(column.type) or types.is_boolean(column.type)
    if not is_number or column.null_count:
        return None
    values = column.to_numpy().astype(np.float64)
    return values if np.isfinite(values).all() else None


def make_samples(rows: Mapping[str, Any], target: str, notes: list[str]) -> Samples:
    """Makes arrays of tables of numbers with one target."""
    inputs: dict[str, Array] = {}
    targets: dict[str, Array] = {}
    names = [name for name in rows[""].column_names if name != target]
    check_size("its numbers", sum(map(len, rows.values())) * len(names) * 8)
    for split, each in rows.items():
        labels = each[target].to_pylist()
        known = [row for row, label in enumerate(labels) if label is not None and label == label]
        if len(known) < len(labels):
            missing = count_of(len(labels) - len(known), "row")
            notes.append(f"{missing} of {split[1:] or 'train'} without a value of {target} were left out")
        if known or not split:
            inputs[f"x{split}"] = np.stack([np.asarray(to_numbers(each[name]))[known] for name in names], axis=1)
            targets[f"y{split}"] = np.array([labels[row] for row in known])
    check_rows(len(inputs["x"]))
    encoded, classes = encode_targets(targets)
    notes.append(f"its inputs are the numbers of {', '.join(names)[:200]}, in this order; its target is {target}")
    return Samples(
        kind="table",
        format="arrow",
        arrays={**narrow_if_exact(inputs, "x", (0,)), **encoded},
        classes=classes,
        notes=notes,
    )
