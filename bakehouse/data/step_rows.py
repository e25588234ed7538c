"""Makes sequences of the rows of a packed long table, which has a row for each step."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.parsed import Array
from bakehouse.plan.targets import Target, target_pointer
from bakehouse.recipe.problems import Problem, RecipeInvalid

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Grouping:
    """The rows of each sequence, in the order of its steps. Sequences are numbered by their first rows in the file."""

    rows: Rows
    """All rows: those of the first sequence, then those of the second, and so on."""
    starts: Rows
    """For each sequence, the place of its first step in `rows`."""
    lengths: Rows

    @property
    def first_rows(self) -> Rows:
        """For each sequence, the row of its first step."""
        return self.rows[self.starts]

    def largest(self, values: Array) -> Array:
        """Returns the largest number of each sequence, given one of each row."""
        return np.asarray(np.maximum.reduceat(values[self.rows], self.starts))

    def rows_of(self, sequences: Rows) -> Rows:
        """Returns the rows of these sequences in ascending order."""
        is_chosen = np.zeros(len(self.lengths), dtype=np.bool_)
        is_chosen[sequences] = True
        return np.sort(self.rows[np.repeat(is_chosen, self.lengths)])


def group_rows(ids: Array, order: Array | None) -> Grouping:
    """Groups the rows by sequence. Raises RecipeInvalid if two steps of a sequence have the same place."""
    _, first_rows, numbers = np.unique(ids, return_index=True, return_inverse=True)
    ranks = np.argsort(np.argsort(first_rows))
    sequences = ranks[numbers]
    # Both sorts are stable, so that rows keep their order in the file where nothing else orders them.
    rows = np.argsort(sequences, kind="stable") if order is None else np.lexsort((order, sequences))
    lengths = np.bincount(sequences)
    grouping = Grouping(rows, np.cumsum(lengths) - lengths, lengths)
    if order is not None:
        refuse_ties(grouping, order)
    return grouping


def refuse_ties(grouping: Grouping, order: Array) -> None:
    """Refuses two rows of one sequence with the same place in it."""
    placed = order[grouping.rows]
    is_tied = placed[1:] == placed[:-1]
    is_tied[grouping.starts[1:] - 1] = False
    if is_tied.any():
        place = int(np.argmax(is_tied))
        first, second = sorted(grouping.rows[place : place + 2].tolist())
        message = f"rows {first:,} and {second:,} (from 0) are of one sequence and have the same place in it; leave "
        message += "`order` out, and the order of the rows in the file counts"
        raise RecipeInvalid([Problem(pointer="/dataset/sequence/order", code="conflict", message=message)])


def labels_of(labels: Array, grouping: Grouping, targets: tuple[Target, ...]) -> Array:
    """Returns the labels of the sequences. Raises RecipeInvalid if the rows of one have different labels."""
    first_rows = grouping.first_rows
    for target, column in zip(targets, labels.reshape(len(labels), -1).T, strict=True):
        differs = column[grouping.rows] != np.repeat(column[first_rows], grouping.lengths)
        if differs.any():
            place = int(np.argmax(differs))
            first = int(first_rows[np.searchsorted(grouping.starts, place, side="right") - 1])
            message = f"rows {first:,} and {int(grouping.rows[place]):,} (from 0) are of one sequence and differ in "
            message += f"{target.name}: a sequence has one target, equal in all of its rows"
            raise RecipeInvalid([Problem(pointer=target_pointer(target.index), code="target", message=message)])
    return np.asarray(labels[first_rows])


@dataclass(frozen=True)
class StoredSequences:
    """The inputs of the sequences of a table on disk, each padded to the longest."""

    table: Any
    """The rows, as `StoredInputs`."""
    grouping: Grouping
    padding: float
    """What follows the last step of a sequence."""

    def __len__(self) -> int:
        return len(self.grouping.lengths)

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.table.dtype
        return dtype

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of a padded sequence."""
        return (int(self.grouping.lengths.max()), *self.table.row_shape)

    @property
    def row_bytes(self) -> int:
        """The bytes of a padded sequence."""
        return prod(self.row_shape) * self.dtype.itemsize

    def take(self, sequences: Rows) -> Array:
        """Copies sequences, by their numbers."""
        lengths = self.grouping.lengths[sequences]
        # The places of the steps of one sequence follow each other.
        begins = self.grouping.starts[sequences] - (np.cumsum(lengths) - lengths)
        places = np.repeat(begins, lengths) + np.arange(lengths.sum())
        return pad_steps(self.table.take(self.grouping.rows[places]), lengths, self.row_shape[0], self.padding)

    def whole(self) -> Array:
        """Reads all sequences into one array."""
        return self.take(np.arange(len(self)))


def pad_steps(steps: Array, lengths: Rows, longest: int, padding: float = np.nan) -> Array:
    """Returns sequences (N, longest, numbers) of steps that follow each other; padding follows the last step of
    each."""
    padded = np.full((len(lengths), longest, steps.shape[1]), padding, dtype=steps.dtype)
    padded[np.arange(longest) < lengths[:, None]] = steps
    return padded
