"""Targets as they are in the user's files. `bakehouse code --evaluate` prints this source, so it imports nothing from
Bakehouse."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.evaluation.standalone.rows import Column, encode_cell

Array = NDArray[Any]


@dataclass(frozen=True)
class Target:
    """What the model predicts, and the columns of its outputs that predict it."""

    name: str
    prefix: str
    """The beginning of the names of its metrics."""
    loss: str
    outputs: slice
    classes: tuple[str, ...] | None
    """The classes as they are written in the data; null for numbers."""
    dtype: str
    """The type of the numbers."""
    weight: float
    unit: str | None
    """The layer that converts standardised numbers to the data's units."""
    measures: tuple[str, ...] = ()
    """The metrics of classes besides the accuracy."""
    column: Column | None = None
    """How the texts of a table become numbers."""


def encode_labels(labels: Iterable[Any], target: Target) -> Array:
    """Returns class numbers, or numbers; a missing label is -1 or nan."""
    if target.classes is None:
        return np.array([np.nan if label == "" else float(label) for label in labels]).astype(target.dtype)
    numbers = {name: number for number, name in enumerate(target.classes)}
    return np.array([numbers.get(name_class(label, numbers), -1) for label in labels], np.int64)


def encode_cells(cells: Iterable[str], target: Target) -> Array:
    """Returns class numbers, or numbers, of a table's cells; a missing label is -1 or nan."""
    assert target.column is not None, "a target of a table has a column"
    numbers = np.array([encode_cell(cell, target.column) for cell in cells], np.float64)
    return numbers.astype(target.dtype) if target.classes is None else np.nan_to_num(numbers, nan=-1.0).astype(np.int64)


def name_class(label: Any, numbers: dict[str, int]) -> str:
    """Returns the name of a label's class; whole numbers may be written as in 3.0."""
    text = label.decode() if isinstance(label, bytes) else str(label)
    if not text or text in numbers:
        return text
    try:
        return str(int(float(text)))
    except ValueError:
        return text


def stack_labels(columns: list[Array]) -> Array:
    """Returns the labels of a single target as they are; stacks those of several as floats, with nan if missing."""
    if len(columns) == 1:
        return columns[0]
    floats = [np.where(column < 0, np.nan, column) if column.dtype == np.int64 else column for column in columns]
    is_double = any(column.dtype == np.float64 for column in columns)
    return np.stack(floats, axis=1).astype(np.float64 if is_double else np.float32)
