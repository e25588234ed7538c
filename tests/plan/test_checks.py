"""What cannot be trained is refused; what nearly cannot is taken."""

from dataclasses import dataclass

import pytest

from bakehouse.plan.card import DatasetCard
from bakehouse.plan.checks import CHECKS, LAYER_CHECKS
from bakehouse.plan.defaults import fill_in
from bakehouse.plan.plan import grow, resolve
from bakehouse.plan.splits import split_sizes
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests.plan.cards import Document, image_card, planned, table_card

SMALL, ROWS, NUMBERS = image_card(side=8), table_card(rows=1000), table_card(classes=None)


@dataclass(frozen=True)
class Case:
    """A check with a recipe that it refuses and a near one that it takes."""

    check: str
    refused: Document
    taken: Document
    pointer: str
    allowed: tuple[str, ...] | None = None
    card: DatasetCard = ROWS


CASES = [
    Case("images_where_needed", {"architecture": "cnn"}, {"architecture": "mlp"}, "/architecture/type",
         ("linear", "mlp")),
    Case("images_where_needed", {"augmentation": ["input_noise", "random_crop"]}, {"augmentation": "input_noise"},
         "/augmentation/1", ("input_noise",)),
    Case("crop_fits", {"augmentation": {"type": "random_crop", "padding": 8}},
         {"augmentation": {"type": "random_crop", "padding": 7}}, "/augmentation/0/padding", ("< 8",), SMALL),
    Case("loss_fits_target", {"objective": "squared_error"}, {"objective": "cross_entropy"}, "/objective/loss",
         ("cross_entropy",)),
    Case("loss_fits_target", {"objective": "cross_entropy"}, {}, "/objective/loss", ("squared_error",), NUMBERS),
    Case("smoothing_fits", {"objective": {"label_smoothing": 0.1}}, {}, "/objective/label_smoothing", None, NUMBERS),
    Case("smoothing_fits", {"objective": {"label_smoothing": {"epsilon": 0.9, "spread": "wrong_classes"}}},
         {"objective": {"label_smoothing": {"epsilon": 0.89, "spread": "wrong_classes"}}},
         "/objective/label_smoothing/epsilon", ("< 0.9",)),
    Case("monitor_exists", {"evaluation": "validation_accuracy"}, {"evaluation": "validation_r2"},
         "/evaluation/monitor", ("validation_loss", "validation_mean_absolute_error", "validation_r2"), NUMBERS),
    Case("dropout_has_a_place", {"dropout": {"type": "dropout", "placement": "block_before_conv"}},
         {"dropout": {"type": "dropout", "placement": "classifier"}}, "/dropout/0/placement",
         ("hidden", "input", "classifier")),
    Case("dropout_has_a_place", {"dropout": [0.5, {"type": "dropout", "rate": 0.1, "placement": "hidden"}]},
         {"dropout": [0.5, {"type": "vanilla_dropout", "rate": 0.1, "placement": "hidden"}]}, "/dropout/1"),
    Case("regularizers_once", {"regularizer": ["l1", "l2", "l1"]}, {"regularizer": ["l1", "l2"]}, "/regularizer/2"),
    Case("warmup_ends", {"epochs": 3, "schedule": {"type": "cosine", "warmup_epochs": 3.5}},
         {"epochs": 3, "schedule": {"type": "cosine", "warmup_epochs": 3}}, "/schedule/warmup_epochs", ("<= 3",)),
    Case("batches_have_statistics", {"norm": "batch_norm", "batch_size": 1}, {"norm": "layer_norm", "batch_size": 1},
         "/batch_size", ("2", "4")),
    Case("batches_have_statistics", {"norm": "batch_norm", "batch_size": 9}, {"norm": "batch_norm", "batch_size": 10},
         "/batch_size", ("8", "10")),
    Case("groups_divide", {"architecture": {"type": "mlp", "hidden": [12, 16]}, "norm": "group_norm"},
         {"architecture": {"type": "mlp", "hidden": [24, 16]}, "norm": "group_norm"}, "/norm/num_groups",
         ("1", "2", "4")),
    Case("norm_has_a_place", {"architecture": "linear", "norm": "layer_norm"}, {"architecture": "linear"},
         "/norm/type", ("none",)),
    Case("norms_have_statistics", {"architecture": {"type": "cnn", "hidden": 4}, "norm": "instance_norm"},
         {"architecture": {"type": "cnn", "hidden": []}, "norm": "instance_norm"}, "/norm/type",
         ("none", "batch_norm", "layer_norm", "group_norm"), SMALL),
    Case("norms_have_statistics", {"architecture": {"type": "mlp", "hidden": 8}, "norm": "group_norm"},
         {"architecture": {"type": "mlp", "hidden": 16}, "norm": "group_norm"}, "/norm/type", ("none", "batch_norm")),
    Case("norms_have_statistics", {"architecture": {"type": "mlp", "hidden": 1}, "norm": "layer_norm"},
         {"architecture": {"type": "mlp", "hidden": 1}, "norm": "batch_norm"}, "/norm/type", ("none", "batch_norm")),
    Case("maps_are_left", {"architecture": {"type": "cnn", "channels": [8] * 4}},
         {"architecture": {"type": "cnn", "channels": [8] * 3}}, "/architecture/channels",
         ("at most 3 stages",), SMALL),
]  # fmt: skip

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}-{CASES.index(case)}")


@cases
def test_the_impossible_is_refused(case: Case) -> None:
    with pytest.raises(RecipeInvalid) as refused:
        planned(case.refused, case.card)
    [problem] = refused.value.problems
    assert (problem.pointer, problem.code, problem.allowed) == (case.pointer, "conflict", case.allowed)


@cases
def test_what_is_only_near_is_taken(case: Case) -> None:
    planned(case.taken, case.card)


def by_check(document: Document, card: DatasetCard) -> dict[str, list[Problem]]:
    """What each check says by itself."""
    recipe = read_recipe({"dataset": card.id, "architecture": "mlp", **document})
    data, sizes = resolve(recipe, card), split_sizes(card.counts, recipe.dataset.validation_fraction)
    recipe = fill_in(recipe, data)
    early = {check.__name__: list(check(recipe, data, sizes)) for check in CHECKS}
    if any(early.values()):
        return early
    root = grow(recipe, data)
    return {check.__name__: list(check(recipe, root)) for check in LAYER_CHECKS}


@cases
def test_it_is_that_check_that_refuses(case: Case) -> None:
    assert [name for name, problems in by_check(case.refused, case.card).items() if problems] == [case.check]


def test_every_check_has_a_case() -> None:
    assert {case.check for case in CASES} == {check.__name__ for check in (*CHECKS, *LAYER_CHECKS)}


def test_problems_of_one_look_come_together() -> None:
    with pytest.raises(RecipeInvalid) as refused:
        planned({"architecture": "cnn", "evaluation": "validation_r2", "regularizer": ["l1", "l1"]})
    assert len(refused.value.problems) == 3


def test_the_last_batch_may_have_two_rows() -> None:
    assert planned({"norm": "batch_norm", "batch_size": 638}, ROWS).sizes.train % 638 == 2


@pytest.mark.parametrize("case", [case for case in CASES if case.check == "batches_have_statistics"])
def test_the_batch_sizes_that_are_offered_are_taken(case: Case) -> None:
    for size in case.allowed or ():
        planned({"norm": "batch_norm", "batch_size": int(size)}, case.card)
