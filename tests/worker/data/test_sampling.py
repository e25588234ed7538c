"""Epochs in which each class has equally many rows."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.data.splits import split_rows
from bakehouse.plan.card import SplitCounts
from bakehouse.plan.plan import resolve
from bakehouse.plan.splits import plan_sizes, training_counts
from bakehouse.recipe.read import read_recipe
from tests.plan.cards import table_card
from tests.small_trainings import (
    IRIS,
    load_small_data,
    make_small_plan,
    make_training,
    resume_to_end,
    run_to_end,
    stop_after,
)
from worker.data.sampling import draw_balanced, draw_smallest

GROUPS = [torch.arange(7), torch.tensor([7, 8]), torch.arange(9, 40)]


def sampled(sampling: str, **fields: Any) -> dict[str, Any]:
    return {**IRIS, "dataset": {"id": "breast_cancer", "sampling": sampling, **fields}}


@pytest.mark.parametrize("rows", [40, 41, 42])
def test_balanced_rows_are_equally_many_of_each_class(rows: int) -> None:
    drawn = draw_balanced(GROUPS, rows, torch.Generator().manual_seed(1))
    counts = [int(torch.isin(drawn, group).sum()) for group in GROUPS]
    assert len(drawn) == rows == sum(counts)
    assert max(counts) - min(counts) == (rows % 3 > 0)


def test_undersampled_rows_are_those_of_the_rarest_class_and_as_many_others_without_repetition() -> None:
    drawn = draw_smallest(GROUPS, 2, torch.Generator().manual_seed(1))
    assert [int(torch.isin(drawn, group).sum()) for group in GROUPS] == [2, 2, 2]
    assert len(drawn.unique()) == 6  # type: ignore[no-untyped-call]


@given(
    st.lists(st.integers(0, 60), min_size=2, max_size=6).filter(lambda counts: sum(counts) >= 10),
    st.floats(0.05, 0.9),
    st.booleans(),
    st.booleans(),
)
def test_the_plan_knows_how_many_rows_of_each_class_the_training_split_has(
    counts: list[int], fraction: float, own_test: bool, own_validation: bool
) -> None:
    own = SplitCounts(
        train=sum(counts), test=50 if own_test else None, validation=50 if own_validation else None
    )  # fmt: skip
    card = table_card(classes=len(counts)).model_copy(update={"class_counts": tuple(counts), "counts": own})
    recipe = read_recipe({"dataset": {"id": "rows", "validation_fraction": fraction}, "architecture": "mlp"})
    planned = training_counts(recipe.dataset, card, resolve(recipe, card))
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = split_rows(labels, own, task="classification", validation_fraction=fraction, seed=3)
    assert planned == np.bincount(labels[rows.train], minlength=len(counts)).tolist()
    assert rows.train.size == plan_sizes(recipe.dataset, card, 0).train


def test_an_epoch_has_the_size_and_the_classes_that_the_plan_says() -> None:
    plan = make_small_plan(sampled("undersample", validation_fraction=0.3))
    labels = load_small_data(plan).train.targets
    assert plan.epoch_rows == 2 * int(labels.bincount().min()) < plan.sizes.train == len(labels)
    assert plan.steps_per_epoch == -(-plan.epoch_rows // 32)
    training = make_training(sampled("undersample", validation_fraction=0.3))
    first, second = training.batches.order(0), training.batches.order(1)
    assert labels[first].bincount().tolist() == labels[second].bincount().tolist() == [plan.epoch_rows // 2] * 2
    assert set(first.tolist()) != set(second.tolist())
    balanced = make_training(sampled("balanced"))
    drawn = balanced.data.train.targets[balanced.batches.order(0)].bincount()
    assert int(drawn.sum()) == balanced.plan.sizes.train == balanced.plan.epoch_rows
    assert abs(int(drawn[0]) - int(drawn[1])) <= 1


def test_rows_are_drawn_by_the_seed_and_everything_else_is_that_of_the_whole_split() -> None:
    plain, same = make_training(sampled("none")), make_training(sampled("undersample"))
    other = make_training({**sampled("undersample"), "seed": 5})
    assert same.batches.order(3).equal(make_training(sampled("undersample")).batches.order(3))
    assert not same.batches.order(3).equal(other.batches.order(3))
    assert same.data.shift.equal(plain.data.shift)
    assert same.data.validation.targets.equal(plain.data.validation.targets)
    assert same.data.test.inputs.equal(plain.data.test.inputs)


@pytest.mark.parametrize("sampling", ["balanced", "undersample"])
def test_a_resumed_run_draws_the_same_rows(sampling: str) -> None:
    document = {**sampled(sampling), "epochs": 2}
    whole = run_to_end(make_training(document))
    steps = make_small_plan(document).steps_per_epoch
    for unit in (1, steps + 3):
        assert resume_to_end(document, *stop_after(document, unit)) == whole


def test_a_bootstrap_can_be_balanced() -> None:
    training = make_training(sampled("balanced", bootstrap=True))
    drawn = training.data.train.targets[training.batches.order(0)].bincount()
    assert abs(int(drawn[0]) - int(drawn[1])) <= 1
