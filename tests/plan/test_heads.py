"""Several targets of one model."""

import pytest

from bakehouse.plan.card import Column, DatasetCard, TargetCard
from bakehouse.plan.heads import monitors
from bakehouse.plan.layers import DropConnect, Heads, Units, walk
from bakehouse.recipe.problems import RecipeInvalid
from tests.plan.cards import Document, columns_card, image_card, planned

PARITY = TargetCard(name="parity", task="classification", classes=("even", "odd"), class_counts=(1, 1))
WEIGHT = TargetCard(name="weight", task="regression", minimum=0)
DIGITS_CNN = image_card(side=8).model_copy(update={"targets": (PARITY, WEIGHT)})
ALONE = image_card(side=8)
HOUSES = columns_card().model_copy(
    update={"columns": (*(columns_card().columns or ()), Column(name="visits", kind="number", minimum=0, maximum=9))}
)
HOUSE: Document = {"dataset": {"id": "houses", "target": "price"}, "architecture": "linear"}


def tasks(*names: object, card: DatasetCard = DIGITS_CNN, **fields: object) -> Document:
    """A recipe with further targets."""
    return {"objective": {"tasks": list(names), **fields}, "dataset": card.id}


def test_outputs_are_in_the_order_of_the_recipe() -> None:
    plan = planned(tasks({"target": "weight", "weight": 0.3}, "parity"), DIGITS_CNN)
    assert [(each.layer, each.label, each.first, each.outputs, each.weight, each.loss) for each in plan.targets] == [
        ("main", "main", 0, 10, 1.0, "cross_entropy"),
        ("task1", "weight", 10, 1, 0.3, "squared_error"),
        ("task2", "parity", 11, 2, 1.0, "cross_entropy"),
    ]
    assert plan.outputs == plan.root.output[0] == 13
    assert [name for name, _ in walk(plan.root)][-4:] == ["heads.main", "heads.task1", "heads.task2", "units.task1"]


def test_a_head_adds_its_own_layer_and_nothing_else() -> None:
    one, two = planned({}, DIGITS_CNN), planned(tasks("parity"), DIGITS_CNN)
    assert two.estimate.parameters - one.estimate.parameters == 2 * 257
    assert [name for name, _ in walk(one.root)][-1] == "head"
    assert not isinstance(two.root.children[-1][1], Units)


@pytest.mark.parametrize("kind", ["cnn", "fitnet", "resnet", "preresnet", "wide_resnet", "resnext", "densenet", "rnn"])
def test_every_architecture_can_have_several(kind: str) -> None:
    plan = planned({**tasks("parity"), "architecture": kind}, DIGITS_CNN)
    heads = plan.root.children[-1][1]
    assert isinstance(heads, Heads)
    assert (heads.input, heads.output) == (heads.named[1][1].input, (12,))


def test_two_classes_may_have_one_output() -> None:
    plan = planned(tasks({"target": "parity", "loss": "binary_cross_entropy"}), DIGITS_CNN)
    assert [target.outputs for target in plan.targets] == [10, 1]


def test_masked_weights_are_masked_in_every_head() -> None:
    plan = planned({**tasks("parity"), "dropout": {"type": "drop_connect", "placement": "classifier"}}, DIGITS_CNN)
    assert sum(isinstance(layer, DropConnect) for _, layer in walk(plan.root)) == 2


def test_numbers_have_units_of_their_own() -> None:
    recipe = {**HOUSE, "objective": {"tasks": ["area", "rooms", {"target": "visits", "loss": "poisson"}]}}
    with pytest.raises(RecipeInvalid, match="none is left as an input"):
        planned(recipe, HOUSES)
    recipe["objective"] = {"tasks": ["rooms", {"target": "visits", "loss": "poisson"}]}
    plan = planned(recipe, HOUSES)
    assert plan.data.shape == plan.root.input == (1,)
    names = [(name, type(layer).__name__) for name, layer in walk(plan.root)]
    assert names[-2:] == [("units.main", "Denormalize"), ("units.task2", "Exponential")]


def test_what_may_be_watched() -> None:
    one = planned(HOUSE, HOUSES)
    assert monitors(one.targets) == (
        "validation_loss", "validation_mean_absolute_error", "validation_r2", "validation_root_mean_squared_error"
    )  # fmt: skip
    plan = planned(tasks("parity", "weight"), DIGITS_CNN)
    assert monitors(plan.targets) == (
        "validation_loss", "validation_accuracy", "validation_main_loss",
        "validation_balanced_accuracy", "validation_f1", "validation_auroc",
        "validation_parity_loss", "validation_parity_accuracy",
        "validation_parity_balanced_accuracy", "validation_parity_f1", "validation_parity_auroc",
        "validation_weight_loss", "validation_weight_mean_absolute_error", "validation_weight_r2",
        "validation_weight_root_mean_squared_error",
    )  # fmt: skip
    for monitor in monitors(plan.targets):
        assert (
            planned({**tasks("parity", "weight"), "evaluation": monitor}, DIGITS_CNN).recipe.evaluation.monitor
            == monitor
        )
    with pytest.raises(RecipeInvalid, match="did you mean 'validation_parity_loss'"):
        planned({**tasks("parity"), "evaluation": "validation_party_loss"}, DIGITS_CNN)


def test_only_targets_that_are_classes_and_only_metrics_that_are_asked_for_are_measured() -> None:
    listed = planned({**tasks("parity", "weight"), "evaluation": {"metrics": ["f1"]}}, DIGITS_CNN)
    assert [target.class_measures for target in listed.targets] == [("f1",), ("f1",), ()]
    monitored = planned({**tasks("parity"), "evaluation": "validation_parity_auroc"}, DIGITS_CNN)
    assert [target.class_measures for target in monitored.targets] == [(), ("auroc",)]
    assert not planned({}, DIGITS_CNN).targets[0].class_measures


def test_two_metrics_of_one_name_are_refused() -> None:
    card = ALONE.model_copy(update={"targets": (PARITY.model_copy(update={"name": "balanced"}),)})
    document = tasks("balanced", card=card)
    # As before there were metrics of classes, it is the accuracy of the target `balanced`.
    monitored = planned({**document, "evaluation": "validation_balanced_accuracy"}, card)
    assert not any(target.class_measures for target in monitored.targets)
    with pytest.raises(RecipeInvalid, match="validation_balanced_accuracy is the accuracy of another target"):
        planned({**document, "evaluation": {"metrics": ["balanced_accuracy"]}}, card)


def test_losses_are_filled_in_and_a_recipe_without_tasks_keeps_its_digest() -> None:
    plan = planned(tasks("parity", "weight"), DIGITS_CNN)
    assert [task.loss for task in plan.recipe.objective.tasks] == ["cross_entropy", "squared_error"]
    assert planned(plan.recipe.canonical(), DIGITS_CNN) == plan
    assert planned({}, DIGITS_CNN).recipe.sha256() == planned({}, ALONE).recipe.sha256()
