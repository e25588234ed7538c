"""Divides the rows among training, validation and test, in the same way for all recipes with the same seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.group_sizes import number_groups
from bakehouse.data.loading import Arrays, labelled_rows
from bakehouse.data.parsed import Array
from bakehouse.plan.card import DatasetCard, SplitCounts, Task
from bakehouse.plan.folds import Fold, fold_of
from bakehouse.plan.splits import (
    SplitSizes,
    rows_kept,
    share_groups,
    share_proportionally,
    share_rows,
    split_sizes,
    test_rows,
)
from bakehouse.plan.targets import ResolvedData
from bakehouse.recipe.dataset import Dataset
from bakehouse.recipe.split import Group, Random, Time

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class SplitRows:
    """The rows of each split in ascending order; null if the data set has separate arrays for that split."""

    train: Rows
    validation: Rows | None
    test: Rows | None


@dataclass(frozen=True)
class PlannedRows:
    """The rows of each split in ascending order, counted in the array of that split if the data set has one."""

    train: Rows
    validation: Rows
    test: Rows


def split_as_planned(dataset: Dataset, card: DatasetCard, data: ResolvedData, arrays: Arrays) -> PlannedRows:
    """Divides the rows as the recipe's `dataset` says. Rows without a label of the only target are in no split."""
    labelled = labelled_rows(arrays.y)
    found = _split(dataset, card, data, arrays, labelled)
    return PlannedRows(
        labelled[found.train],
        _rows_of(arrays.y_validation, found.validation, labelled),
        _rows_of(arrays.y_test, found.test, labelled),
    )


def _rows_of(own: Array | None, taken: Rows | None, labelled: Rows) -> Rows:
    """Returns the rows of a split that the data set has as its own, or that was taken from the labelled rows."""
    if own is not None:
        return labelled_rows(own)
    assert taken is not None, "a split that the data set does not have is taken from its rows"
    return labelled[taken]


def _split(dataset: Dataset, card: DatasetCard, data: ResolvedData, arrays: Arrays, labelled: Rows) -> SplitRows:
    """Divides the labelled rows, which are counted among themselves."""
    counts = card.counts.model_copy(update={"train": len(labelled)})
    fold = fold_of(dataset)
    fraction = dataset.validation_fraction
    seed = dataset.split_seed
    match dataset.split:
        case Random():
            task = data.main.task
            y = strata(arrays.y[labelled], task)
            if fold is not None:
                return split_into_folds(y, counts, fold, task=task, seed=seed)
            return split_rows(y, counts, task=task, validation_fraction=fraction, seed=seed)
        case Group(column=name):
            return split_by_group(arrays.column(name)[labelled], fraction, seed=seed, fold=fold)
        case Time(column=name):
            return split_by_time(arrays.column(name)[labelled], share_rows(counts, dataset))


def split_by_time(times: Array, sizes: SplitSizes) -> SplitRows:
    """Gives the latest rows to test, the earliest to training, and those after them to validation. Rows between
    validation and test are in no split: they validate in later folds."""
    order = np.argsort(times, kind="stable")
    ends = [sizes.train, sizes.train + sizes.validation, len(order) - sizes.test]
    train, validation, _, test = np.split(order, ends)
    return SplitRows(np.sort(train), np.sort(validation), np.sort(test))


def split_by_group(values: Array, validation_fraction: float, *, seed: int, fold: Fold | None = None) -> SplitRows:
    """Keeps rows of equal value together, and each row without a value by itself."""
    groups = number_groups(values)
    rows_by_group = np.bincount(groups)
    sizes, counts = np.unique(rows_by_group, return_counts=True)
    groups_by_size = dict(zip(sizes.tolist(), counts.tolist(), strict=True))
    shares = share_groups(groups_by_size, validation_fraction, seed=seed, fold=fold)
    shuffled = _shuffle(len(rows_by_group), seed)
    split_of_group = np.zeros(len(rows_by_group), dtype=np.int64)
    for size in sizes.tolist():
        of_this_size = shuffled[rows_by_group[shuffled] == size]
        in_test = shares.test[size]
        split_of_group[of_this_size[:in_test]] = 2
        first = in_test + shares.before[size]
        split_of_group[of_this_size[first : first + shares.validation[size]]] = 1
    train, validation, test = (np.flatnonzero(split_of_group[groups] == split) for split in range(3))
    return SplitRows(train, validation, test)


def split_rows(y: Array, counts: SplitCounts, *, task: Task, validation_fraction: float, seed: int) -> SplitRows:
    """Shuffles the rows, then takes the test rows and the validation rows from all classes in proportion.

    The sizes are those of `split_sizes`. Every class with at least three rows keeps a row for training, as long as the
    training split has as many rows as there are such classes.
    """
    sizes = split_sizes(counts, validation_fraction)
    groups = _shuffle_strata(y, task, seed)
    kept = [rows_kept(len(group)) for group in groups]
    test = None
    # The test rows are taken first, so that they do not depend on the validation fraction.
    if counts.test is None:
        groups, test = _take(groups, sizes.test, kept)
    validation = None
    if counts.validation is None:
        groups, validation = _take(groups, sizes.validation, kept)
    return SplitRows(np.sort(np.concatenate(groups)), validation, test)


def split_into_folds(y: Array, counts: SplitCounts, fold: Fold, *, task: Task, seed: int) -> SplitRows:
    """Takes the test rows like `split_rows`; then the folds take one row each, in turn, of one class after the other.

    So the rows that a class has in two folds differ by at most one, and so do all rows of two folds.
    """
    groups = _shuffle_strata(y, task, seed)
    test = None
    if counts.test is None:
        kept = [rows_kept(len(group)) for group in groups]
        groups, test = _take(groups, test_rows(counts), kept)
    rows = np.concatenate(groups)
    validates = np.arange(len(rows)) % fold.folds == fold.number
    return SplitRows(np.sort(rows[~validates]), np.sort(rows[validates]), test)


def strata(y: Array, task: Task) -> Array:
    """Returns the labels whose proportions each split keeps: those of the first target, with an extra class for missing
    labels."""
    if y.ndim == 1 or task == "regression":
        return y
    main = y[:, 0]
    return np.asarray(np.where(np.isnan(main), np.nanmax(main) + 1, main).astype(np.int64))


def _shuffle(rows: int, seed: int) -> Rows:
    """Shuffles by sorting raw Philox numbers, because NumPy keeps that stream the same in all versions."""
    return np.argsort(np.random.Philox(seed).random_raw(rows), kind="stable")


def _shuffle_strata(y: Array, task: Task, seed: int) -> list[Rows]:
    """Returns the rows of each class in random order; of a regression, all rows as one group."""
    order = _shuffle(len(y), seed)
    if task == "regression":
        return [order]
    # A stable sort keeps the shuffled order within each class.
    by_class = order[np.argsort(y[order], kind="stable")]
    return np.split(by_class, np.cumsum(np.bincount(y))[:-1])


def _take(groups: list[Rows], total: int, kept: list[int]) -> tuple[list[Rows], Rows]:
    """Takes rows from the fronts of the groups; returns the remaining groups and the taken rows."""
    takes = share_proportionally([len(group) for group in groups], total, kept)
    taken = np.concatenate([group[:take] for group, take in zip(groups, takes, strict=True)])
    return [group[take:] for group, take in zip(groups, takes, strict=True)], np.sort(taken)
