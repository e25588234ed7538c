"""What a recipe means for a data set."""

from itertools import pairwise

import pytest

from bakehouse.plan.card import DatasetCard
from bakehouse.plan.layers import (
    Conv,
    Denormalize,
    DenseConcat,
    Dropout,
    Layer,
    Linear,
    Norm,
    Residual,
    Sequential,
    Subsample,
    walk,
)
from bakehouse.plan.plan import Plan
from bakehouse.recipe.problems import RecipeInvalid
from tests.plan.cards import Document, columns_card, image_card, planned, table_card

RESNET_PARAMETERS = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}

BOTTLENECKS: Document = {"type": "preresnet", "block": "bottleneck", "depth": 164}
WRN: Document = {"type": "wide_resnet", "depth": 28, "width": 10}
RESNEXT: Document = {"type": "resnext", "depth": 29, "cardinality": 8, "width": 64}
DENSENET: Document = {"type": "densenet", "depth": 100, "growth_rate": 12}
IN_BLOCKS = ("block_before_norm", "block_before_conv")


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
    ("architecture", "classes", "millions", "parameters", "norms"),
    [
        # Table 2 of arXiv 1801.05134 (which has 1.77 for the first on 100 classes), and the norms of its figure 4.
        (BOTTLENECKS, 10, "1.70", 1_703_258, 163),
        (BOTTLENECKS, 100, "1.73", 1_726_388, 163),
        (WRN, 10, "36.48", 36_479_194, 25),
        (WRN, 100, "36.54", 36_536_884, 25),
        (RESNEXT, 10, "34.43", 34_426_698, 31),
        (RESNEXT, 100, "34.52", 34_518_948, 31),
        (DENSENET, 10, "0.77", 769_162, 99),
        (DENSENET, 100, "0.80", 800_032, 99),
        ({**BOTTLENECKS, "depth": 110}, 10, "1.15", 1_146_842, 109),
        # Of the papers themselves.
        ({**WRN, "depth": 40, "width": 4}, 10, "8.9", 8_949_210, 37),
        ({**WRN, "depth": 16, "width": 8}, 10, "11.0", 10_961_370, 13),
        ({**DENSENET, "depth": 190, "growth_rate": 40}, 10, "25.6", 25_624_430, 189),
    ],
)
def test_published_sizes(architecture: Document, classes: int, millions: str, parameters: int, norms: int) -> None:
    plan = planned({"architecture": architecture, "norm": "batch_norm"}, image_card(classes=classes))
    assert plan.estimate.parameters == parameters
    assert f"{parameters / 1e6:.{len(millions.split('.')[1])}f}" == millions
    assert sum(isinstance(layer, Norm) for _, layer in walk(plan.root)) == norms


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [
        ({"type": "preresnet", "depth": 56}, 56),
        (BOTTLENECKS, 164),
        (RESNEXT, 29),
        (DENSENET, 100),
        # Wide networks count their shortcuts, and the output layer not.
        (WRN, 26),
    ],
)
def test_depth_counts_layers_with_weights(architecture: Document, layers: int) -> None:
    plan = planned({"architecture": architecture, "norm": "batch_norm"}, image_card())
    weights = [name for name, layer in walk(plan.root) if isinstance(layer, Conv | Linear)]
    assert len([name for name in weights if "shortcut" not in name]) == layers


FORKED = "norm activation sum.body.first.conv "
"""The shortcut has the first norm and activation too."""
UNIT = "{0}.conv {0}.norm {0}.activation ".format
LAST = "{0}.dropout {0}.norm {0}.activation {0}.dropout1 {0}.conv".format


@pytest.mark.parametrize(
    ("architecture", "block", "expected"),
    [
        ({"type": "preresnet", "depth": 14}, "stage2.block2",
         "sum.body.first.norm sum.body.first.activation sum.body.first.conv " + LAST("sum.body.second")),
        ({"type": "preresnet", "depth": 8}, "stage2.block1", FORKED + LAST("sum.body.second") + " sum.shortcut.conv"),
        ({"type": "preresnet", "block": "bottleneck", "depth": 11}, "stage1.block1",
         FORKED + "sum.body.second.norm sum.body.second.activation sum.body.second.conv " + LAST("sum.body.third")
         + " sum.shortcut.conv"),
        ({"type": "wide_resnet", "depth": 10}, "stage1.block1",
         FORKED + LAST("sum.body.second") + " sum.shortcut.conv"),
        ({"type": "resnext", "depth": 11}, "stage3.block1",
         UNIT("sum.body.first") + UNIT("sum.body.second")
         + "sum.body.third.dropout sum.body.third.conv sum.body.third.dropout0 sum.body.third.norm "
         + "sum.shortcut.conv sum.shortcut.norm activation"),
        ({"type": "densenet", "depth": 10}, "stage1.block1",
         "body.first.norm body.first.activation body.first.conv " + LAST("body.second")),
        ({"type": "densenet", "depth": 10}, "stage1.transition", "norm activation conv pool"),
    ],
)  # fmt: skip
def test_layers_of_a_block_with_its_dropout(architecture: Document, block: str, expected: str) -> None:
    dropout = [{"type": "dropout", "placement": placement} for placement in IN_BLOCKS]
    plan = planned({"architecture": architecture, "norm": "batch_norm", "dropout": dropout}, image_card())
    found = [name.removeprefix(f"{block}.") for name in names(plan) if name.startswith(f"{block}.")]
    assert found == expected.split()


def test_a_fitnet_is_thin_and_deep() -> None:
    """The 19 layers of the authors' settings, whose weights they count without biases."""
    plan = planned({"architecture": "fitnet"}, image_card())
    weights = {name: layer for name, layer in walk(plan.root) if isinstance(layer, Conv | Linear)}
    assert len(weights) == 19
    widths = [3, 32, 32, 32, 48, 48] + [80] * 6 + [128] * 6
    expected = sum(2 * 9 * before * after for before, after in pairwise(widths)) + 5 * 128 * 500 + 500 * 10
    assert plan.estimate.parameters - sum(layer.output[0] for layer in weights.values()) == expected
    assert weights["hidden.linear"].input == (128,)


def test_an_elementwise_activation_has_no_pieces() -> None:
    plan = planned({"architecture": {"type": "fitnet", "activation": "relu"}}, image_card())
    assert [layer.output[0] for _, layer in walk(plan.root) if isinstance(layer, Conv)][:2] == [32, 32]


def test_groups_and_channels_double_their_way_through_a_resnext() -> None:
    plan = planned({"architecture": {"type": "resnext", "cardinality": 16, "width": 8}}, image_card())
    grouped = [layer for _, layer in walk(plan.root) if isinstance(layer, Conv) and layer.groups > 1]
    assert {layer.groups for layer in grouped} == {16}
    assert [layer.output[0] for layer in grouped] == [128] * 3 + [256] * 3 + [512] * 3


def test_a_densenet_grows_and_compresses() -> None:
    spec = {"type": "densenet", "depth": 16, "growth_rate": 5, "compression": 0.3}
    plan = planned({"architecture": spec}, image_card())
    blocks = [layer.output for _, stage in plan.root.children if isinstance(stage, Sequential)
              for _, layer in stage.children]  # fmt: skip
    assert blocks == [(15, 32, 32), (20, 32, 32), (6, 16, 16), (11, 16, 16), (16, 16, 16), (4, 8, 8), (9, 8, 8),
                      (14, 8, 8)]  # fmt: skip


@pytest.mark.parametrize("placements", [("input", "classifier"), IN_BLOCKS])
@pytest.mark.parametrize("architecture", ["resnet", "preresnet", "wide_resnet", "resnext", "densenet"])
def test_no_two_layers_share_a_name(architecture: str, placements: tuple[str, ...]) -> None:
    dropout = [{"type": "dropout", "placement": placement} for placement in placements]
    plan = planned({"architecture": architecture, "dropout": dropout}, image_card())
    assert len(set(names(plan))) == len(names(plan))


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
            check_shapes(shortcut or body)
        case DenseConcat(body):
            assert body.input[1:] == body.output[1:]
            check_shapes(body)
        case _:
            pass


@pytest.mark.parametrize("side", [8, 9, 32, 33])
@pytest.mark.parametrize(
    "architecture",
    ["linear", "mlp", "cnn", "vgg", "fitnet", "resnet", "preresnet", BOTTLENECKS, "wide_resnet", "resnext", "densenet"],
)
def test_shapes_meet(architecture: object, side: int) -> None:
    plan = planned({"architecture": architecture}, image_card(side=side))
    check_shapes(plan.root)
    assert (plan.root.input, plan.root.output) == ((3, side, side), (10,))


@pytest.mark.parametrize(
    ("architecture", "place"),
    [
        ("linear", "input"),
        ("mlp", "hidden"),
        ("cnn", "hidden"),
        ("fitnet", "hidden"),
        ("resnet", "classifier"),
        ("wide_resnet", "classifier"),
        ("densenet", "classifier"),
    ],
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
def test_a_bias_that_a_norm_cancels_is_left_out(norm: object, has_bias: bool) -> None:
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
    assert (plan.data.main.task, plan.outputs) == (task, outputs)
    assert isinstance(plan.root.children[-1][1], Denormalize) == (task == "regression")


@pytest.mark.parametrize(
    ("dataset", "says"), [("houses", "name the column"), ({"id": "houses", "target": "prize"}, "did you mean 'price'?")]
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


@pytest.mark.parametrize(
    ("short", "channels", "side", "filled"),
    [
        ("scale_crop", 3, 224, {"low": 256, "high": 480}),
        ("scale_crop", 1, 32, {"low": 37, "high": 69}),
        ({"type": "scale_crop", "high": 40}, 1, 28, {"low": 32, "high": 40}),
        ("cutout", 3, 32, {"size": 16}),
        ("cutout", 1, 1, {"size": 1}),
        ({"type": "cutout", "size": 3}, 3, 32, {"size": 3}),
        ("color_jitter", 3, 32, {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.1}),
        ("color_jitter", 1, 32, {"brightness": 0.5, "contrast": 0.5, "saturation": 0.0, "hue": 0.0}),
        ({"type": "affine", "scale": 1}, 1, 8, {"scale": [1.0, 1.0]}),
    ],
)
def test_sizes_and_colours_are_those_of_the_images(short: object, channels: int, side: int, filled: Document) -> None:
    plan = planned({"augmentation": short, "architecture": "linear"}, image_card(channels=channels, side=side))
    [canonical] = plan.recipe.canonical()["augmentation"]
    assert {name: canonical[name] for name in filled} == filled


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
