"""Folds from numbers of rows and groups, against scikit-learn."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, TimeSeriesSplit

from bakehouse.plan.card import Column, DatasetCard, SplitCounts
from bakehouse.plan.folds import Fold, fill_evenly, share_among_folds
from bakehouse.plan.plan import make_plan
from bakehouse.plan.splits import count_rows
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests.plan.cards import table_card

FOLDS = st.integers(2, 20)


@given(st.dictionaries(st.integers(1, 60), st.integers(1, 20), min_size=1), FOLDS)
def test_folds_of_groups_have_the_sizes_that_scikit_learn_gives_them(sizes: dict[int, int], folds: int) -> None:
    groups = {**sizes, 1: folds}
    shares = share_among_folds(groups, folds)
    assert {size: sum(share[size] for share in shares) for size in groups} == groups
    rows_of_groups = np.repeat(list(groups), list(groups.values()))
    labels = np.repeat(np.arange(len(rows_of_groups)), rows_of_groups)
    theirs = [len(test) for _, test in GroupKFold(folds).split(labels, groups=labels)]
    assert sorted(map(count_rows, shares)) == sorted(theirs)


def test_millions_of_groups_are_shared_at_once() -> None:
    assert fill_evenly([10**7, 0, 3], 2, 8 * 10**6 + 1) == [0, 4 * 10**6 + 1, 4 * 10**6]
    assert fill_evenly([10**7, 0, 3], 2, 16 * 10**6) == [2 * 10**6 + 1, 7 * 10**6, 7 * 10**6 - 1]


@given(st.integers(21, 500), FOLDS)
def test_blocks_are_those_of_a_time_series_split(rows: int, folds: int) -> None:
    ours = [Fold(number, folds).count_blocks(rows) for number in range(folds)]
    theirs = [(len(train), len(test)) for train, test in TimeSeriesSplit(folds).split(np.zeros(rows))]
    assert ours == theirs


def dated_card(rows: int) -> DatasetCard:
    """A table with days, patients of two rows each, and classes."""
    half = rows // 2
    return table_card(rows=rows).model_copy(
        update={
            "task": None,
            "columns": (
                Column(name="day", kind="number", minimum=0, maximum=9, group_sizes=((1, rows),)),
                Column(name="patient", kind="number", minimum=0, maximum=half, group_sizes=((2, half),)),
                Column(name="ill", kind="boolean", classes=("no", "yes"), class_counts=(half, half)),
            ),
        }
    )


OWN = table_card().model_copy(update={"counts": SplitCounts(train=100, validation=30)})
BY_TIME = {"target": "ill", "split": {"type": "time", "column": "day"}}
BY_GROUP = {"target": "ill", "split": {"type": "group", "column": "patient"}}


@pytest.mark.parametrize(
    ("fields", "card", "pointer", "says", "allowed"),
    [
        ({"fold": 1}, table_card(), "/dataset/fold", "say in `folds` how many parts there are", ("null",)),
        ({"folds": 3}, table_card(), "/dataset/fold", "one of the 3 folds: say which, 0 to 2", ("0", "1", "2")),
        ({"folds": 2, "fold": 2}, table_card(), "/dataset/fold", "no fold 2: 2 folds have the numbers 0 to 1", None),
        (
            {"folds": 4, "fold": 0, "validation_fraction": 0.1},
            table_card(), "/dataset/validation_fraction", "1 of 4 parts): leave it out", ("0.2",),
        ),
        ({"folds": 4, "fold": 0}, OWN, "/dataset/folds", "rows has 30 validation rows of its own", ("null",)),
        (
            {"folds": 9, "fold": 0}, table_card(rows=10, classes=None),
            "/dataset/folds", "8 rows are outside the test split", ("2 to 8", "null"),
        ),
        ({**BY_TIME, "folds": 8, "fold": 0}, dated_card(10), "/dataset/folds", "8 folds need 9: at most 7", None),
        ({**BY_GROUP, "folds": 9, "fold": 0}, dated_card(20), "/dataset/folds", "8 groups are outside", None),
    ],
)  # fmt: skip
def test_folds_that_do_not_fit_are_refused(
    fields: dict[str, Any], card: DatasetCard, pointer: str, says: str, allowed: tuple[str, ...] | None
) -> None:
    recipe = read_recipe({"dataset": {"id": card.id, **fields}, "architecture": "mlp", "batch_size": 2})
    with pytest.raises(RecipeInvalid) as refused:
        make_plan(recipe, card)
    [problem] = refused.value.problems
    assert problem.pointer == pointer
    assert says in problem.message
    assert allowed in (None, problem.allowed)
