"""A packed data set as arrays to train on, mapped from disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bakehouse.data.contents import Array
from bakehouse.data.folders import read_card
from bakehouse.plan.card import Column, Task, resolve_target, target_task


@dataclass(frozen=True)
class Arrays:
    """Inputs and targets; validation and test only where the set has splits of its own.

    `x` is uint8 or float32, `y` int64 class numbers or float32.
    """

    x: Array
    y: Array
    x_validation: Array | None = None
    y_validation: Array | None = None
    x_test: Array | None = None
    y_test: Array | None = None


def load(folder: Path, *, target: str | None = None, task: Task | None = None) -> Arrays:
    """The arrays of a packed set; `target` names the column of a table to learn from the others."""
    card = read_card(folder)
    resolve_target(card, target, task=task)
    if card.columns is None:
        return Arrays(**{path.stem: np.load(path, mmap_mode="r") for path in folder.glob("[xy]*.npy")})
    table = np.load(folder / "table.npy", mmap_mode="r")
    position = [column.name for column in card.columns].index(str(target))
    x = np.delete(table, position, axis=1).astype(np.float32)
    return Arrays(x, _targets(table[:, position], card.columns[position], task))


def _targets(values: Array, column: Column, task: Task | None) -> Array:
    if target_task(column, task) == "regression":
        return np.asarray(values, dtype=np.float32)
    if column.kind == "text":
        return np.asarray(values, dtype=np.int64)
    return np.unique(values, return_inverse=True)[1].astype(np.int64)
