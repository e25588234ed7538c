"""What cannot be trained is refused; what nearly cannot is taken."""

from dataclasses import dataclass

import pytest

from bakehouse.plan.card import Column, DatasetCard
from bakehouse.plan.checks import CHECKS, LAYER_CHECKS
from bakehouse.plan.defaults import fill_in
from bakehouse.plan.plan import grow, resolve
from bakehouse.plan.splits import split_sizes
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests.plan.cards import Document, columns_card, image_card, planned, table_card

SMALL, ROWS, NUMBERS = image_card(side=8), table_card(rows=1000), table_card(classes=None)

AFTER: Document = {"type": "batch_norm", "placement": "after_activation"}


GAIN = {"id": "houses", "target": "gain"}
COLUMNS = columns_card()
COLUMNS = COLUMNS.model_copy(
    update={"columns": (*(COLUMNS.columns or ()), Column(name="gain", kind="number", minimum=-1, maximum=1))}
)


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
    Case("loss_fits_target", {"objective": "cross_entropy"}, {}, "/objective/loss",
         ("squared_error", "poisson"), NUMBERS),
    Case("loss_fits_target", {"objective": "binary_cross_entropy"}, {}, "/objective/loss", ("cross_entropy",)),
    Case("loss_fits_target", {"objective": "poisson"}, {"objective": "binary_cross_entropy"}, "/objective/loss",
         ("cross_entropy", "binary_cross_entropy"), table_card(classes=2)),
    Case("counts_are_not_negative", {"dataset": GAIN, "objective": "poisson"},
         {"dataset": {"id": "houses", "target": "price"}, "objective": "poisson"}, "/objective/loss",
         ("squared_error",), COLUMNS),
    Case("penalty_fits_model", {"regularizer": ["l2", "dropout_penalty"]},
         {"architecture": "linear", "regularizer": ["l2", "dropout_penalty"]}, "/regularizer/1",
         ("architecture linear",)),
    Case("penalty_fits_model", {"architecture": "linear", "regularizer": "dropout_penalty", "dropout": 0.1},
         {"architecture": "linear", "regularizer": "dropout_penalty"}, "/regularizer/0"),
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
    Case("norm_order_is_free", {"architecture": "wide_resnet", "norm": AFTER},
         {"architecture": "resnet", "norm": AFTER}, "/norm/placement", ("before_activation",), SMALL),
    Case("norm_order_is_free", {"architecture": "densenet", "norm": AFTER}, {"architecture": "densenet"},
         "/norm/placement", ("before_activation",), SMALL),
    Case("norm_order_is_free", {"architecture": "preresnet", "norm": AFTER}, {"architecture": "resnext", "norm": AFTER},
         "/norm/placement", ("before_activation",), SMALL),
    Case("regularizers_once", {"regularizer": ["l1", "l2", "l1"]}, {"regularizer": ["l1", "l2"]}, "/regularizer/2"),
    Case("warmup_ends", {"epochs": 3, "schedule": {"type": "cosine", "warmup_epochs": 3.5}},
         {"epochs": 3, "schedule": {"type": "cosine", "warmup_epochs": 3}}, "/schedule/warmup_epochs", ("<= 3",)),
    Case("warmup_ends", {"epochs": 3, "schedule": {"type": "plateau", "warmup_epochs": 3.5}},
         {"epochs": 3, "schedule": "one_cycle"}, "/schedule/warmup_epochs", ("<= 3",)),
    Case("stopping_fits_monitor", {"early_stopping": "generalization_loss", "evaluation": "validation_accuracy"},
         {"early_stopping": "successive_increases", "evaluation": "validation_accuracy"}, "/evaluation/monitor",
         ("validation_loss",)),
    Case("stopping_fits_monitor", {"early_stopping": "progress_quotient", "evaluation": "validation_r2"},
         {"early_stopping": "progress_quotient", "evaluation": "validation_mean_absolute_error"}, "/evaluation/monitor",
         ("validation_loss", "validation_mean_absolute_error"), NUMBERS),
    Case("batches_have_statistics", {"norm": "batch_norm", "batch_size": 1}, {"norm": "layer_norm", "batch_size": 1},
         "/batch_size", ("2", "4")),
    Case("batches_have_statistics", {"norm": "batch_norm", "batch_size": 9}, {"norm": "batch_norm", "batch_size": 10},
         "/batch_size", ("8", "10")),
    Case("batches_have_statistics", {"norm": "batch_renorm", "batch_size": 9},
         {"norm": "batch_renorm", "batch_size": 10}, "/batch_size", ("8", "10")),
    Case("groups_divide", {"architecture": {"type": "mlp", "hidden": [12, 16]}, "norm": "group_norm"},
         {"architecture": {"type": "mlp", "hidden": [24, 16]}, "norm": "group_norm"}, "/norm/num_groups",
         ("1", "2", "4")),
    Case("dropout_has_a_place",
         {"architecture": "resnet", "dropout": {"type": "spatial_dropout", "placement": "hidden"}},
         {"architecture": "resnet", "dropout": "spatial_dropout"}, "/dropout/0/placement",
         ("block_before_conv", "block_before_norm", "input"), SMALL),
    Case("dropout_has_layers",
         {"architecture": {"type": "cnn", "hidden": []}, "dropout": ["drop_connect", "spatial_dropout"]},
         {"architecture": "cnn", "dropout": ["drop_connect", "spatial_dropout"]}, "/dropout/0/placement",
         ("classifier",), SMALL),
    Case("norm_leaves_drop_connect_its_activation", {"norm": "layer_norm", "dropout": "drop_connect"},
         {"norm": "layer_norm", "dropout": {"type": "drop_connect", "placement": "classifier"}}, "/norm/placement",
         ("after_activation",)),
    Case("norm_leaves_drop_connect_its_activation", {"norm": "batch_norm", "dropout": "drop_connect"},
         {"norm": {"type": "batch_norm", "placement": "after_activation"}, "dropout": "drop_connect"},
         "/norm/placement", ("after_activation",)),
    Case("dropout_has_a_place", {"dropout": {"type": "drop_connect", "placement": "hidden"}, "architecture": "linear"},
         {"dropout": "drop_connect", "architecture": "linear"}, "/dropout/0/placement", ("classifier",)),
    Case("dropout_has_layers", {"dropout": "spatial_dropout"}, {"dropout": "gaussian_dropout"}, "/dropout/0/type",
         ("dropout", "vanilla_dropout", "gaussian_dropout")),
    Case("dropout_has_layers", {"dropout": "spatial_dropout"},
         {"dropout": {"type": "spatial_dropout", "placement": "input"}}, "/dropout/0/type",
         ("dropout", "vanilla_dropout", "gaussian_dropout"), SMALL),
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
    Case("maps_are_left", {"architecture": {"type": "fitnet", "stages": [4] * 5}},
         {"architecture": {"type": "fitnet", "stages": [4] * 4}}, "/architecture/stages", ("at most 4 stages",), SMALL),
    Case("maps_are_left", {"architecture": "densenet"}, {"architecture": "wide_resnet"}, "/architecture/type",
         ("resnet", "preresnet", "wide_resnet", "resnext"), image_card(side=3)),
    Case("images_where_needed", {"architecture": "densenet"}, {"architecture": "linear"}, "/architecture/type",
         ("linear", "mlp")),
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
