"""Opens a packed data set as arrays to train on, mapped from disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bakehouse.data.packed_folders import read_card
from bakehouse.data.parsed import SPLITS, Array
from bakehouse.plan.card import Column
from bakehouse.plan.targets import ResolvedData, Target


@dataclass(frozen=True)
class Arrays:
    """Inputs and targets; validation and test only where the set has these splits.

    `x` is uint8, float32 or float64. `y` of one target is int64 class numbers, float32 or float64. Of several, it is
    floats with a column for each, the main one first, and nan where a label is missing. Arrays have 64 bits where 32
    would round away the differences between rows.
    """

    x: Array
    y: Array
    x_validation: Array | None = None
    y_validation: Array | None = None
    x_test: Array | None = None
    y_test: Array | None = None


def load(folder: Path, data: ResolvedData) -> Arrays:
    """Opens a packed set with the targets of a recipe, which have been resolved for the set's card."""
    card = read_card(folder)
    if card.columns is not None:
        return _load_table(folder, card.columns, data)
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
    array: Array = np.load(folder / f"{name}.npy", mmap_mode="r")
    return array


def _stack_columns(columns: list[Array]) -> Array:
    """A single target stays as it is; several become floats, in which class numbers are exact up to 2^24."""
    if len(columns) == 1:
        return columns[0]
    floats = [np.where(column < 0, np.nan, column) if column.dtype == np.int64 else column for column in columns]
    is_double = any(column.dtype == np.float64 for column in columns)
    return np.stack(floats, axis=1).astype(np.float64 if is_double else np.float32)


def _labels(values: Array, column: Column, target: Target) -> Array:
    """Floats or class numbers; nan or -1 where a cell is empty."""
    if target.classes is None:
        return np.asarray(values, dtype=column.dtype)
    known = ~np.isnan(values)
    numbers = np.full(len(values), -1, dtype=np.int64)
    numbers[known] = values[known] if column.kind == "text" else np.unique(values[known], return_inverse=True)[1]
    return numbers
