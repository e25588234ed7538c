"""A packed data set as arrays to train on, mapped from disk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bakehouse.data.packed_folders import read_card
from bakehouse.data.parsed import SPLITS, Array
from bakehouse.plan.card import Column, DatasetCard, Task
from bakehouse.plan.targets import Wanted, resolve_target, target_task


@dataclass(frozen=True)
class Arrays:
    """Inputs and targets; validation and test only where the set has splits of its own.

    `x` is uint8, float32 or float64, `y` int64 class numbers, float32 or float64; 64 bits where 32 would round away
    what tells rows apart. With further targets, `y` is floats with a column for each, the set's own first, and nan
    where a label is missing.
    """

    x: Array
    y: Array
    x_validation: Array | None = None
    y_validation: Array | None = None
    x_test: Array | None = None
    y_test: Array | None = None


def load(folder: Path, *, target: str | None = None, task: Task | None = None, tasks: Sequence[Wanted] = ()) -> Arrays:
    """The arrays of a packed set; `target` and `tasks` name the columns of a table to learn from the others."""
    card = read_card(folder)
    data = resolve_target(card, target, task=task, tasks=tasks)
    if card.columns is None:
        arrays = Arrays(**{path.stem: np.load(path, mmap_mode="r") for path in folder.glob("[xy]*.npy")})
        return _with_further(arrays, folder, card, [name for name, _ in tasks]) if tasks else arrays
    table = np.load(folder / "table.npy", mmap_mode="r")
    names = [column.name for column in card.columns]
    positions = [names.index(name) for name in (str(target), *(name for name, _ in tasks))]
    x = np.delete(table, positions, axis=1).astype(np.float64 if data.is_double else np.float32)
    asked = [task, *(each for _, each in tasks)]
    columns = [
        _targets(table[:, place], card.columns[place], kind) for place, kind in zip(positions, asked, strict=True)
    ]
    return Arrays(x, _together(columns) if tasks else columns[0])


def _with_further(arrays: Arrays, folder: Path, card: DatasetCard, names: list[str]) -> Arrays:
    """A fixed target and further ones side by side, in every split."""
    numbers = [1 + [target.name for target in card.targets].index(name) for name in names]
    matrices = {}
    for split in SPLITS:
        if (main := getattr(arrays, f"y{split}")) is not None:
            further = [np.load(folder / f"target{number}{split}.npy", mmap_mode="r") for number in numbers]
            matrices[f"y{split}"] = _together([main, *further])
    return replace(arrays, **matrices)


def _together(columns: list[Array]) -> Array:
    """One column a target. Class numbers are exact in float32 up to 2^24; -1 is none."""
    floats = [np.where(column < 0, np.nan, column) if column.dtype == np.int64 else column for column in columns]
    is_double = any(column.dtype == np.float64 for column in columns)
    return np.stack(floats, axis=1).astype(np.float64 if is_double else np.float32)


def _targets(values: Array, column: Column, task: Task | None) -> Array:
    """As floats or class numbers; nan or -1 where a cell is empty."""
    if target_task(column, task) == "regression":
        return np.asarray(values, dtype=column.dtype)
    known = ~np.isnan(values)
    numbers = np.full(len(values), -1, dtype=np.int64)
    numbers[known] = values[known] if column.kind == "text" else np.unique(values[known], return_inverse=True)[1]
    return numbers
