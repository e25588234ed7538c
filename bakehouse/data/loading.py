"""Opens a packed data set to train on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from bakehouse.data.packed_folders import read_card
from bakehouse.data.parsed import SPLITS, Array, parts_of
from bakehouse.data.photographs import Photographs, open_photographs
from bakehouse.data.step_rows import StoredSequences, group_rows, labels_of
from bakehouse.plan.card import Column, SplitCounts
from bakehouse.plan.targets import ResolvedData, Target


@dataclass(frozen=True)
class StoredInputs:
    """Inputs on disk: the rows of an array, or some columns of a table."""

    stored: Array
    """The array, which is mapped: its pages are shared by all processes that read it."""
    dtype: np.dtype[Any]
    columns: tuple[int, ...] | None = None
    class_values: Mapping[int, Array] = field(default_factory=dict)
    """By position among `columns`, the numbers that are the classes of a category; rows get the numbers of classes."""

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of a row."""
        return self.stored.shape[1:] if self.columns is None else (len(self.columns),)

    @property
    def row_bytes(self) -> int:
        """The bytes of a row on disk."""
        return self.stored.itemsize * prod(self.stored.shape[1:])

    def take(self, rows: Array) -> Array:
        """Copies rows, by their numbers."""
        return self._choose(self.stored.take(rows, axis=0))

    def column(self, place: int) -> Array:
        """Reads the column at a position among `columns`, of all rows."""
        assert self.columns is not None
        values = {0: self.class_values[place]} if place in self.class_values else {}
        return replace(self, columns=(self.columns[place],), class_values=values).whole()[:, 0]

    def whole(self) -> Array:
        """Reads all rows."""
        return self._choose(self.stored)

    @cached_property
    def _runs(self) -> list[tuple[int, int, int]]:
        """The position among `columns`, the first column and the end of each run of columns that follow each other. A
        run is copied and converted at once, in less than two thirds of the time that single columns take."""
        assert self.columns is not None
        columns = np.array(self.columns)
        places = np.flatnonzero(np.diff(columns, prepend=-2) != 1).tolist()
        ends = [*places[1:], len(columns)]
        return [
            (place, self.columns[place], self.columns[end - 1] + 1) for place, end in zip(places, ends, strict=True)
        ]

    def _choose(self, block: Array) -> Array:
        if self.columns is None:
            return block
        rows: Array = np.empty((len(block), len(self.columns)), self.dtype)
        for place, first, end in self._runs:
            rows[:, place : place + end - first] = block[:, first:end]
        for place, values in self.class_values.items():
            is_known = ~np.isnan(rows[:, place])
            rows[is_known, place] = np.searchsorted(values, rows[is_known, place])
        return rows


@dataclass(frozen=True)
class Arrays:
    """The inputs and targets of a data set; null for a validation or test split that the data set does not have.

    `x` is uint8, float32 or float64. With a single target, `y` is a vector of class numbers (int64) or of floats. With
    several targets, `y` holds floats in a column for each target, the main target first, and nan where a label is
    missing. Floats have 64 bits if 32 bits would round away the differences between rows.
    """

    x: StoredInputs | StoredSequences
    y: Array
    x_validation: StoredInputs | None = None
    y_validation: Array | None = None
    x_test: StoredInputs | None = None
    y_test: Array | None = None
    photographs: Mapping[str, Photographs] = field(default_factory=dict)
    """The pictures at their own sizes, if they are kept, by the suffix of the array in whose order they are."""
    columns: Mapping[str, int] = field(default_factory=dict)
    """The index of each column of a table, by its name."""

    def column(self, name: str) -> Array:
        """Reads a column of a table, whether or not it is an input; of sequences, the largest number of each."""
        table = self.x.table if isinstance(self.x, StoredSequences) else self.x
        values = StoredInputs(table.stored, table.stored.dtype, (self.columns[name],)).whole()[:, 0]
        return self.x.grouping.largest(values) if isinstance(self.x, StoredSequences) else values


def load(folder: Path, data: ResolvedData) -> Arrays:
    """Opens a packed data set; `data` are the recipe's targets, resolved for the card of this data set."""
    card = read_card(folder)
    if card.columns is not None:
        return _load_table(folder, card.columns, card.counts, data)
    # The arrays are numbered in the order of the card, which may differ from that of the recipe.
    known = [target.name for target in card.targets]
    names = ["y", *(f"target{1 + known.index(target.name)}" for target in data.further)]
    arrays: dict[str, Any] = {}
    photographs = {}
    for split in SPLITS:
        # The card says which splits there are: a file that is gone is an error.
        if split == "" or getattr(card.counts, split.removeprefix("_")) is not None:
            stored = _open(folder / f"x{split}.npy")
            arrays[f"x{split}"] = StoredInputs(stored, stored.dtype)
            kept = open_photographs(folder, split, stored.shape[1])
            if kept is not None:
                photographs[split] = kept
            arrays[f"y{split}"] = _stack_columns([_open(folder / f"{name}{split}.npy") for name in names])
    return Arrays(**arrays, photographs=photographs)


def labelled_rows(y: Array) -> Array:
    """Returns the rows that can be learned from: all of them, if there are several targets, of which each may miss."""
    if y.ndim > 1:
        return np.arange(len(y))
    return np.flatnonzero(y >= 0 if y.dtype == np.int64 else ~np.isnan(y))


def _load_table(folder: Path, columns: tuple[Column, ...], counts: SplitCounts, data: ResolvedData) -> Arrays:
    stored = _open(folder / "table.npy")
    names = [column.name for column in columns]
    indices = [names.index(target.name) for target in data.targets]
    features = tuple(names.index(each.name) for each in data.inputs)
    dtype = np.dtype(np.float64 if data.is_double else np.float32)
    labels = StoredInputs(stored, stored.dtype, tuple(indices)).whole()
    pairs = zip(labels.T, indices, data.targets, strict=True)
    y = _stack_columns([_labels(values, columns[index], target) for values, index, target in pairs])
    values = {
        place: np.array(each.classes, dtype=np.float64)
        for place, each in enumerate(data.inputs)
        if each.classes and columns[features[place]].has_numbers
    }
    parts: dict[str, Any] = {}
    labels_by_split = parts_of(y, counts)
    for suffix, rows in parts_of(stored, counts).items():
        # A split without any label of the only target is like none.
        if suffix == "" or len(labelled_rows(labels_by_split[suffix])):
            parts[f"x{suffix}"] = StoredInputs(rows, dtype, features, values)
            parts[f"y{suffix}"] = labels_by_split[suffix]
    arrays = Arrays(**parts, columns={name: i for i, name in enumerate(names)})
    if data.steps is None:
        return arrays
    order = None if data.steps.order is None else arrays.column(data.steps.order)
    grouping = group_rows(arrays.column(data.steps.id), order)
    inputs = parts["x"]
    return Arrays(
        StoredSequences(inputs, grouping, data.padding), labels_of(y, grouping, data.targets), columns=arrays.columns
    )


def _open(path: Path) -> Array:
    # As a plain array, which gives plain arrays and does not look for the file at each access.
    array: Array = np.load(path, mmap_mode="r").view(np.ndarray)
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
    numbers[known] = np.unique(values[known], return_inverse=True)[1] if column.has_numbers else values[known]
    return numbers
