"""Splits: sizes, proportions, and that they never change."""

import hashlib
import warnings
from collections.abc import Sequence

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, StratifiedKFold

from bakehouse.data.group_sizes import number_groups
from bakehouse.data.parsed import Array
from bakehouse.data.splits import Rows, SplitRows, split_by_group, split_by_time, split_into_folds, split_rows, strata
from bakehouse.plan.card import SplitCounts, Task
from bakehouse.plan.folds import Fold
from bakehouse.plan.splits import MIN_GROUPS, SplitSizes, split_sizes

LABELS = st.lists(st.integers(0, 12), min_size=10, max_size=300)
FRACTIONS = st.floats(0.01, 0.9)
SEEDS = st.integers(0, 2**32)
TASKS: st.SearchStrategy[Task] = st.sampled_from(["classification", "regression"])


@given(LABELS, FRACTIONS, SEEDS, TASKS, st.sampled_from([None, 5]), st.sampled_from([None, 7]))
def test_every_row_is_in_one_split_of_the_foretold_size(
    labels: list[int], fraction: float, seed: int, task: Task, validation: int | None, test: int | None
) -> None:
    counts = SplitCounts(train=len(labels), validation=validation, test=test)
    rows = split_rows(np.array(labels), counts, task=task, validation_fraction=fraction, seed=seed)
    sizes = split_sizes(counts, fraction)
    assert len(rows.train) == sizes.train
    assert validation if rows.validation is None else len(rows.validation) == sizes.validation
    assert test if rows.test is None else len(rows.test) == sizes.test
    parts = [part for part in (rows.train, rows.validation, rows.test) if part is not None]
    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(labels)))


@given(LABELS, FRACTIONS, SEEDS)
def test_classes_of_three_rows_are_in_train_while_it_has_room(labels: list[int], fraction: float, seed: int) -> None:
    y = np.array(labels)
    rows = split_rows(y, SplitCounts(train=len(y)), task="classification", validation_fraction=fraction, seed=seed)
    counts = np.bincount(y)
    if len(rows.train) >= (counts > 0).sum():
        assert set(np.flatnonzero(counts >= 3)) <= set(y[rows.train])


@given(st.integers(2, 5), st.integers(20, 60), SEEDS)
def test_classes_keep_their_proportions(classes: int, rows_each: int, seed: int) -> None:
    y = np.arange(classes * rows_each) % classes
    rows = split_rows(y, SplitCounts(train=len(y)), task="classification", validation_fraction=0.25, seed=seed)
    for part in (rows.train, rows.validation, rows.test):
        assert part is not None
        assert np.ptp(np.bincount(y[part], minlength=classes)) <= 2


def test_a_seed_means_the_same_rows_for_ever() -> None:
    y = np.arange(1000) % 7
    rows = split_rows(y, SplitCounts(train=1000), task="classification", validation_fraction=0.2, seed=0)
    assert rows.validation is not None
    assert rows.test is not None
    text = ",".join(map(str, [*rows.train, *rows.validation, *rows.test]))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "08e985e726d6d02b"
    other = split_rows(y, SplitCounts(train=1000), task="classification", validation_fraction=0.2, seed=1)
    assert other.train.tolist() != rows.train.tolist()


def test_rows_without_a_class_are_split_in_proportion_too() -> None:
    main = np.repeat([0, 1, np.nan], [40, 20, 20]).astype(np.float32)
    labels = strata(np.stack([main, np.zeros(80, np.float32)], 1), "classification")
    assert labels.tolist() == [0] * 40 + [1] * 20 + [2] * 20
    rows = split_rows(labels, SplitCounts(train=80), task="classification", validation_fraction=0.25, seed=0)
    assert rows.test is not None
    assert np.bincount(labels[rows.test]).tolist() == [8, 4, 4]


GROUPS = st.lists(st.sampled_from([*range(12), np.nan]), min_size=30, max_size=200)


@given(GROUPS, FRACTIONS, SEEDS)
def test_no_group_is_in_two_splits_and_every_row_is_in_one(values: list[float], fraction: float, seed: int) -> None:
    groups = np.array(values)
    assume(len(set(groups[~np.isnan(groups)])) >= MIN_GROUPS)
    rows = split_by_group(groups, fraction, seed=seed)
    assert rows.validation is not None
    assert rows.test is not None
    parts = [rows.train, rows.validation, rows.test]
    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(groups)))
    known = [set(groups[part][~np.isnan(groups[part])]) for part in parts]
    assert sum(map(len, known)) == len(set.union(*known))
    assert all(len(part) for part in parts)


def test_the_latest_rows_are_tested_and_rows_of_equal_time_keep_their_order() -> None:
    times = np.array([5.0, 1.0, 3.0, 3.0, 9.0, 2.0])
    rows = split_by_time(times, SplitSizes(train=3, validation=2, test=1))
    assert rows.validation is not None
    assert rows.test is not None
    assert rows.train.tolist() == [1, 2, 5]
    assert rows.validation.tolist() == [0, 3]
    assert rows.test.tolist() == [4]


def known(rows: Rows | None) -> Rows:
    """The rows of a split that the data set does not have by itself."""
    assert rows is not None
    return rows


def check_folds(without: SplitRows, parts: Sequence[SplitRows]) -> list[Rows]:
    """Every row that is not tested validates in one fold and trains in the others; returns the rows of the folds."""
    rest = np.union1d(without.train, known(without.validation))
    folds = [known(part.validation) for part in parts]
    assert np.sort(np.concatenate(folds)).tolist() == rest.tolist()
    for part, fold in zip(parts, folds, strict=True):
        np.testing.assert_array_equal(np.sort(np.concatenate([part.train, fold])), rest)
        np.testing.assert_array_equal(part.test, without.test)
    return folds


@given(LABELS, SEEDS, TASKS, st.integers(2, 20), st.sampled_from([None, 5]))
def test_every_row_validates_in_one_fold_and_classes_are_shared_as_by_scikit_learn(
    labels: list[int], seed: int, task: Task, folds: int, test: int | None
) -> None:
    y = np.array(labels)
    counts = SplitCounts(train=len(y), test=test)
    without = split_rows(y, counts, task=task, validation_fraction=0.3, seed=seed)
    parts = [split_into_folds(y, counts, Fold(number, folds), task=task, seed=seed) for number in range(folds)]
    ours = check_folds(without, parts)
    assert np.ptp(list(map(len, ours))) <= 1
    rest = np.concatenate(ours)
    if task == "classification" and np.bincount(y[rest]).max() >= folds:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            theirs = [rest[places] for _, places in StratifiedKFold(folds).split(rest, y[rest])]
        # Which fold has one row more of a class is free, but not how many folds have.
        np.testing.assert_array_equal(class_shares(y, ours), class_shares(y, theirs))


def class_shares(y: Array, folds: Sequence[Rows]) -> Array:
    """The rows that each class has in the folds, in ascending order."""
    return np.sort([np.bincount(y[rows], minlength=13) for rows in folds], axis=0)


@given(GROUPS, SEEDS, st.integers(2, 6))
def test_folds_keep_groups_whole_and_have_the_sizes_of_scikit_learn(values: list[float], seed: int, folds: int) -> None:
    column = np.array(values)
    assume(len(set(column[~np.isnan(column)])) >= MIN_GROUPS + folds)
    parts = [split_by_group(column, 0.2, seed=seed, fold=Fold(number, folds)) for number in range(folds)]
    ours = check_folds(split_by_group(column, 0.2, seed=seed), parts)
    groups = number_groups(column)
    for part, fold in zip(parts, ours, strict=True):
        assert not set(groups[part.train]) & set(groups[fold])
    rest = np.concatenate(ours)
    theirs = [len(test) for _, test in GroupKFold(folds).split(rest, groups=groups[rest])]
    assert sorted(map(len, ours)) == sorted(theirs)


def test_a_fold_has_the_same_rows_for_ever() -> None:
    y = np.arange(1000) % 7
    first, second = (
        split_into_folds(y, SplitCounts(train=1000), Fold(3, 5), task="classification", seed=seed) for seed in (0, 1)
    )
    text = ",".join(map(str, known(first.validation)))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "08a0b2d857d7db92"
    assert known(second.validation).tolist() != known(first.validation).tolist()
