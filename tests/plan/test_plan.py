"""What a recipe means for a data set."""

from itertools import pairwise

import pytest

from bakehouse.plan.card import DatasetCard
from bakehouse.plan.layers import Conv, Denormalize, Dropout, Layer, Linear, Norm, Residual, Sequential, Subsample, walk
from bakehouse.plan.plan import Plan
from bakehouse.recipe.problems import RecipeInvalid
from tests.plan.cards import Document, columns_card, image_card, planned, table_card

RESNET_PARAMETERS = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}


def names(plan: Plan) -> list[str]:
    return [name for name, _ in walk(plan.root)]


@pytest.mark.parametrize(("depth", "parameters"), RESNET_PARAMETERS.items())
def test_published_sizes_of_residual_networks(depth: int, parameters: int) -> None:
    plan = planned({"architecture": {"type": "resnet", "depth": depth}, "norm": "batch_norm"}, image_card())
    assert plan.estimate.parameters == parameters
    weights = [layer for _, layer in walk(plan.root) if isinstance(layer, Conv | Linear)]
    assert len(weights) == depth
    assert sum(isinstance(layer, Norm) for _, layer in walk(plan.root)) == depth - 1


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        ("none", "normalize hidden1.linear hidden1.activation hidden1.dropout head"),
        ("before_activation", "normalize hidden1.linear hidden1.norm hidden1.activation hidden1.dropout head"),
        ("after_activation", "normalize hidden1.linear hidden1.activation hidden1.norm hidden1.dropout head"),
    ],
)
def test_names_and_order_of_layers(norm: str, expected: str) -> None:
    written = norm if norm == "none" else {"type": "batch_norm", "placement": norm}
    plan = planned({"architecture": {"type": "mlp", "hidden": 8}, "norm": written, "dropout": 0.5})
    assert names(plan) == expected.split()


def test_a_residual_network_subsamples_where_its_width_changes() -> None:
    plan = planned({"architecture": {"type": "resnet", "depth": 8}, "norm": "batch_norm"}, image_card())
    shortcuts = {name: layer for name, layer in walk(plan.root) if isinstance(layer, Subsample)}
    assert {name: (layer.input, layer.output) for name, layer in shortcuts.items()} == {
        "stage2.block1.sum.shortcut": ((16, 32, 32), (32, 16, 16)),
        "stage3.block1.sum.shortcut": ((32, 16, 16), (64, 8, 8)),
    }


def check_shapes(layer: Layer) -> None:
    """What goes into each layer is what comes out of the one before."""
    match layer:
        case Sequential(children):
            for (_, first), (_, second) in pairwise(children):
                assert first.output == second.input
            for _, child in children:
                check_shapes(child)
        case Residual(body, shortcut):
            assert body.output == (shortcut or body).output
            check_shapes(body)
        case _:
            pass


@pytest.mark.parametrize("side", [8, 9, 32, 33])
@pytest.mark.parametrize("architecture", ["linear", "mlp", "cnn", "resnet"])
def test_shapes_meet(architecture: str, side: int) -> None:
    plan = planned({"architecture": architecture}, image_card(side=side))
    check_shapes(plan.root)
    assert (plan.root.input, plan.root.output) == ((3, side, side), (10,))


@pytest.mark.parametrize(
    ("architecture", "place"), [("linear", "input"), ("mlp", "hidden"), ("cnn", "hidden"), ("resnet", "classifier")]
)
def test_where_dropout_is_by_default(architecture: str, place: str) -> None:
    plan = planned({"architecture": architecture, "dropout": 0.5}, image_card())
    assert plan.recipe.dropout[0].placement == place
    assert any(isinstance(layer, Dropout) for _, layer in walk(plan.root))


@pytest.mark.parametrize(
    ("norm", "has_bias"),
    [
        ("none", True),
        ("batch_norm", False),
        ("instance_norm", False),
        ("layer_norm", True),
        ("group_norm", True),
        ({"type": "batch_norm", "placement": "after_activation"}, True),
    ],
)
def test_a_bias_that_a_norm_takes_away_is_left_out(norm: object, has_bias: bool) -> None:
    plan = planned({"architecture": {"type": "cnn", "hidden": []}, "norm": norm}, image_card())
    convolutions = [layer for _, layer in walk(plan.root) if isinstance(layer, Conv)]
    assert {layer.bias for layer in convolutions} == {has_bias}


@pytest.mark.parametrize(
    ("target", "loss", "task", "outputs"),
    [
        ("price", None, "regression", 1),
        ("rooms", None, "classification", 3),
        ("rooms", "squared_error", "regression", 1),
    ],
)
def test_the_target_and_the_loss_choose_the_task(target: str, loss: str | None, task: str, outputs: int) -> None:
    document: Document = {"dataset": {"id": "houses", "target": target}, "objective": {"loss": loss}}
    plan = planned(document, columns_card())
    assert (plan.data.task, plan.outputs) == (task, outputs)
    assert isinstance(plan.root.children[-1][1], Denormalize) == (task == "regression")


@pytest.mark.parametrize(
    ("dataset", "says"), [("houses", "name the column"), ({"id": "houses", "target": "prize"}, "did you mean price?")]
)
def test_a_table_without_its_target_is_refused(dataset: object, says: str) -> None:
    with pytest.raises(RecipeInvalid) as refused:
        planned({"dataset": dataset}, columns_card())
    [problem] = refused.value.problems
    assert (problem.pointer, problem.allowed) == ("/dataset/target", ("rooms", "area", "price"))
    assert says in problem.message


@pytest.mark.parametrize(("side", "padding"), [(4, 1), (8, 1), (28, 3), (32, 4)])
def test_a_crop_is_padded_by_an_eighth(side: int, padding: int) -> None:
    plan = planned({"augmentation": "random_crop", "architecture": "linear"}, image_card(side=side))
    assert plan.recipe.canonical()["augmentation"] == [{"type": "random_crop", "padding": padding}]


@pytest.mark.parametrize("card", [image_card(), table_card(), table_card(classes=None)])
def test_the_canonical_recipe_of_a_plan_gives_the_same_plan(card: DatasetCard) -> None:
    plan = planned({"dropout": 0.5}, card)
    again = planned(plan.recipe.canonical(), card)
    assert again == plan
    assert again.recipe.sha256() == plan.recipe.sha256()


@pytest.mark.parametrize(("batch_size", "steps"), [(1, 3200), (64, 50), (63, 51), (3200, 1), (9999, 1)])
def test_the_last_batch_counts(batch_size: int, steps: int) -> None:
    plan = planned({"batch_size": batch_size, "epochs": 7})
    assert (plan.sizes.train, plan.steps_per_epoch, plan.steps) == (3200, steps, 7 * steps)
