"""Splits: sizes, proportions, and that they never change."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.data.splits import split_rows, strata
from bakehouse.plan.card import SplitCounts, Task
from bakehouse.plan.splits import split_sizes

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
