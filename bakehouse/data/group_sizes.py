"""Counts the groups of a table's columns, for splits that keep groups together."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.parsed import Array
from bakehouse.plan.card import Column

Sizes = tuple[tuple[int, int], ...]
"""Pairs (rows, values): how many distinct values have that many rows."""
MAX_CELLS = 200_000_000
"""Number of cells from which on groups are not counted for further targets; so many take seconds."""
MAX_SIZES = 100
"""Number of different sizes up to which the groups of a column are counted for targets."""
MAX_PAIRS = 500
"""Number of pairs of a target and a column of groups that a card has."""


def with_group_sizes(columns: Sequence[Column], values: Array) -> tuple[Column, ...]:
    """Returns the columns with the sizes of their groups; those with empty cells also with the sizes of other columns'
    groups over the rows in which they are not empty."""
    counted = [
        column.model_copy(update={"group_sizes": count_sizes(cells[~np.isnan(cells)])})
        for column, cells in zip(columns, values.T, strict=True)
    ]
    known: dict[str, dict[str, Sizes]] = {column.name: {} for column in counted}
    limit = min(MAX_PAIRS, MAX_CELLS // len(values))
    for target, groups, sizes in islice(count_known(counted, values), limit):
        known[target][groups] = sizes
    return tuple(column.model_copy(update={"known_group_sizes": known[column.name]}) for column in counted)


def count_known(columns: Sequence[Column], values: Array) -> Iterator[tuple[str, str, Sizes]]:
    """Yields the name of a column with empty cells, that of a column of groups, and the sizes of the groups."""
    targets = [place for place, column in enumerate(columns) if column.missing]
    for place, groups in enumerate(columns):
        if targets and holds_groups(groups):
            numbers = number_groups(values[:, place])
            for target in targets:
                if target != place:
                    yield columns[target].name, groups.name, count_sizes(numbers[~np.isnan(values[:, target])])


def holds_groups(column: Column) -> bool:
    """Whether the groups of a column may be kept together: some of its values recur, and are no fractions."""
    sizes = [size for size, _ in column.group_sizes]
    is_fraction = column.kind == "number" and not column.whole
    return not is_fraction and max(sizes, default=1) > 1 and len(sizes) <= MAX_SIZES


def count_sizes(cells: Array) -> Sizes:
    """Returns how many distinct values have each number of rows."""
    _, rows = np.unique(cells, return_counts=True)
    return tuple((int(size), int(count)) for size, count in zip(*np.unique(rows, return_counts=True), strict=True))


def number_groups(values: Array) -> NDArray[np.int64]:
    """Numbers the distinct values of a column, and gives each empty cell a number of its own."""
    known = ~np.isnan(values)
    groups = np.empty(len(values), dtype=np.int64)
    distinct, groups[known] = np.unique(values[known], return_inverse=True)
    groups[~known] = len(distinct) + np.arange(len(values) - known.sum())
    return groups
