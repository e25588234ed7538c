"""Opens a packed data set as memory-mapped arrays to train on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bakehouse.data.packed_folders import read_card
from bakehouse.data.parsed import SPLITS, Array
from bakehouse.plan.card import Column
from bakehouse.plan.targets import ResolvedData, Target


@dataclass(frozen=True)
class Arrays:
    """The inputs and targets of a data set; null for a validation or test split that the data set does not have.

    `x` is uint8, float32 or float64. With a single target, `y` is a vector of class numbers (int64) or of floats. With
    several targets, `y` holds floats in a column for each target, the main target first, and nan where a label is
    missing. Floats have 64 bits if 32 bits would round away the differences between rows.
    """

    x: Array
    y: Array
    x_validation: Array | None = None
    y_validation: Array | None = None
    x_test: Array | None = None
    y_test: Array | None = None


def load(folder: Path, data: ResolvedData) -> Arrays:
    """Opens a packed data set; `data` are the recipe's targets, resolved for the card of this data set."""
    card = read_card(folder)
    if card.columns is not None:
        return _load_table(folder, card.columns, data)
    # The arrays are numbered in the order of the card, which may differ from that of the recipe.
    known = [target.name for target in card.targets]
    names = ["y", *(f"target{1 + known.index(target.name)}" for target in data.further)]
    arrays = {}
    for split in SPLITS:
        if (folder / f"x{split}.npy").exists():
            arrays[f"x{split}"] = _open(folder, f"x{split}")
            arrays[f"y{split}"] = _stack_columns([_open(folder, f"{name}{split}") for name in names])
    return Arrays(**arrays)


def _load_table(folder: Path, columns: tuple[Column, ...], data: ResolvedData) -> Arrays:
    table = _open(folder, "table")
    names = [column.name for column in columns]
    indices = [names.index(target.name) for target in data.targets]
    x = np.delete(table, indices, axis=1).astype(np.float64 if data.is_double else np.float32)
    pairs = zip(indices, data.targets, strict=True)
    return Arrays(x, _stack_columns([_labels(table[:, index], columns[index], target) for index, target in pairs]))


def _open(folder: Path, name: str) -> Array:
    # Mapped files need not fit into memory, and processes share their pages.
    array: Array = np.load(folder / f"{name}.npy", mmap_mode="r")
    return array


def _stack_columns(columns: list[Array]) -> Array:
    """Returns a single target as it is; stacks several as floats, which represent class numbers up to 2^24 exactly."""
    if len(columns) == 1:
        return columns[0]
    floats = [np.where(column < 0, np.nan, column) if column.dtype == np.int64 else column for column in columns]
    is_double = any(column.dtype == np.float64 for column in columns)
    return np.stack(floats, axis=1).astype(np.float64 if is_double else np.float32)


def _labels(values: Array, column: Column, target: Target) -> Array:
    """Returns the column as floats or as class numbers; an empty cell becomes nan or -1."""
    if target.classes is None:
        return np.asarray(values, dtype=column.dtype)
    known = ~np.isnan(values)
    numbers = np.full(len(values), -1, dtype=np.int64)
    # A text is stored as its class number; whole numbers are numbered in the order of their values.
    numbers[known] = values[known] if column.kind == "text" else np.unique(values[known], return_inverse=True)[1]
    return numbers
