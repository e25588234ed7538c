"""Which rows are for training, for validation and for the test: the same for all recipes of a seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.parsed import Array
from bakehouse.plan.card import SplitCounts, Task
from bakehouse.plan.splits import split_sizes

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class SplitRows:
    """Row numbers into `x` and `y`, ascending; null where the set has that split in arrays of its own."""

    train: Rows
    validation: Rows | None
    test: Rows | None


def split_rows(y: Array, counts: SplitCounts, *, task: Task, validation_fraction: float, seed: int) -> SplitRows:
    """Shuffles once, then takes the test rows, then the validation rows, class by class in proportion.

    The sizes are those of `split_sizes`. Every class with at least three rows is in train, as long as
    train has that many rows.
    """
    sizes = split_sizes(counts, validation_fraction)
    groups = _shuffled_classes(y, seed) if task == "classification" else [_shuffled(len(y), seed)]
    # A class of one or two rows may be spent on the other splits; a larger one keeps a row for train.
    kept = np.array([1 if len(group) >= 3 else 0 for group in groups])
    test = None
    if counts.test is None:
        groups, test = _take(groups, sizes.test, kept)
    validation = None
    if counts.validation is None:
        groups, validation = _take(groups, sizes.validation, kept)
    return SplitRows(np.sort(np.concatenate(groups)), validation, test)


def strata(y: Array, task: Task) -> Array:
    """What a split keeps the proportions of: of several targets the first, whose missing labels are one more class."""
    if y.ndim == 1 or task == "regression":
        return y
    main = y[:, 0]
    return np.asarray(np.where(np.isnan(main), np.nanmax(main) + 1, main).astype(np.int64))


def _shuffled(rows: int, seed: int) -> Rows:
    """Sorted by raw Philox words, whose stream NumPy keeps the same in all versions."""
    return np.argsort(np.random.Philox(seed).random_raw(rows), kind="stable")


def _shuffled_classes(y: Array, seed: int) -> list[Rows]:
    order = _shuffled(len(y), seed)
    by_class = order[np.argsort(y[order], kind="stable")]
    return np.split(by_class, np.cumsum(np.bincount(y))[:-1])


def _take(groups: list[Rows], total: int, kept: Rows) -> tuple[list[Rows], Rows]:
    """What is left of the groups, and the rows taken from their fronts."""
    takes = proportional(np.array([len(group) for group in groups]), total, kept)
    taken = np.concatenate([group[:take] for group, take in zip(groups, takes, strict=True)])
    return [group[take:] for group, take in zip(groups, takes, strict=True)], np.sort(taken)


def proportional(sizes: Rows, total: int, kept: Rows) -> Rows:
    """Shares `total` among groups by largest remainder, leaving `kept` rows in each while it can."""
    limits = np.maximum(sizes - kept, 0)
    if limits.sum() < total:
        limits = sizes
    quotas = sizes * total / sizes.sum()
    takes: Rows = np.minimum(np.floor(quotas).astype(np.int64), limits)
    while (missing := total - int(takes.sum())) > 0:
        open_groups = np.flatnonzero(takes < limits)
        largest = np.argsort((takes - quotas)[open_groups], kind="stable")[:missing]
        takes[open_groups[largest]] += 1
    return takes
