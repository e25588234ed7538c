"""The layers that a transfer copies, and the messages for layers that do not fit."""

from dataclasses import dataclass, field

import pytest

from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.plan.sources.transfer import copied_names, units
from bakehouse.recipe.pretraining import Transfer
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests.plan.cards import Document, columns_card, image_card, planned, table_card

SHA256 = "a" * 64
RUN = "run_source222222"
DEEP: Document = {"architecture": {"type": "mlp", "hidden": [32, 16]}, "norm": "batch_norm"}
SMALL = image_card(side=8, channels=1)


def built_on(source: Plan, document: Document, card: DatasetCard | None = None, **transfer: object) -> Plan:
    """The plan of a recipe that begins with the source's layers."""
    card = card or source.card
    named = {"type": "transfer", "checkpoint": {"run": RUN, "epoch": 1, "sha256": SHA256}, **transfer}
    return make_plan(read_recipe({"dataset": card.id, **document, "pretraining": named}), card, {SHA256: source})


def refusal(source: Plan, document: Document, card: DatasetCard | None = None, **transfer: object) -> Problem:
    with pytest.raises(RecipeInvalid) as refused:
        built_on(source, document, card, **transfer)
    [problem] = refused.value.problems
    return problem


def pairs(plan: Plan) -> list[tuple[str, str]]:
    spec = plan.recipe.pretraining
    assert isinstance(spec, Transfer)
    return copied_names(spec, plan.root, plan.checkpoints[SHA256].root)


def test_a_layer_is_its_weights_and_the_norms_after_them() -> None:
    resnet = planned({"architecture": {"type": "resnet", "depth": 8}, "norm": "batch_norm"}, SMALL)
    names = [[name for name, _ in unit.members] for unit in units(resnet.root)]
    assert names[:2] == [["stem.conv", "stem.norm"],
                         ["stage1.block1.sum.body.first.conv", "stage1.block1.sum.body.first.norm"]]  # fmt: skip
    assert names[-1] == ["head"]
    assert len(names) == 8
    before = planned({"architecture": {"type": "preresnet", "depth": 8}, "norm": "batch_norm"}, SMALL)
    names = [[name for name, _ in unit.members] for unit in units(before.root)]
    assert names[0] == ["conv", "stage1.block1.sum.body.first.norm"]
    numbers = planned({**DEEP, "norm": None}, table_card(classes=None))
    assert [name for name, _ in units(numbers.root)[-1].members] == ["head", "denormalize"]


def test_by_default_all_but_the_output_layer_are_copied() -> None:
    plan = built_on(planned(DEEP), DEEP, table_card(classes=3))
    copied = ["hidden1.linear", "hidden1.norm", "hidden2.linear", "hidden2.norm"]
    assert pairs(plan) == [(name, name) for name in copied]
    assert pairs(built_on(planned(DEEP), DEEP, layers=1)) == [(name, name) for name in copied[:2]]
    assert pairs(built_on(planned(DEEP), DEEP, layers="all"))[-1] == ("head", "head")


def test_layers_are_matched_by_their_order_not_by_their_names() -> None:
    cnn: Document = {"architecture": {"type": "cnn", "channels": [16, 16], "hidden": []}}
    resnet: Document = {"architecture": {"type": "resnet", "depth": 8}}
    plan = built_on(planned({**resnet, "norm": "batch_norm"}, SMALL), {**cnn, "norm": "batch_norm"})
    assert pairs(plan)[2:] == [
        ("stage2.conv1.conv", "stage1.block1.sum.body.first.conv"),
        ("stage2.conv1.norm", "stage1.block1.sum.body.first.norm"),
    ]


def test_filters_fit_images_of_every_size() -> None:
    document: Document = {"architecture": {"type": "cnn", "channels": [4, 8], "hidden": []}}
    plan = built_on(planned(document, SMALL), document, image_card(side=28, channels=1))
    assert [name for name, _ in pairs(plan)] == ["stage1.conv1.conv", "stage2.conv1.conv"]


def test_activation_dropout_and_details_of_norms_are_the_recipes_own() -> None:
    other: Document = {
        "architecture": {"type": "mlp", "hidden": [32, 16], "activation": "tanh"},
        "norm": {"type": "batch_norm", "momentum": 0.5, "placement": "after_activation"},
        "dropout": {"type": "drop_connect", "placement": "hidden"},
    }
    assert (
        len(pairs(built_on(planned({**DEEP, "norm": {"type": "batch_norm", "placement": "after_activation"}}), other)))
        == 4
    )


@dataclass(frozen=True)
class Misfit:
    """Two recipes whose layers do not fit."""

    source: Document
    document: Document
    pointer: str
    says: tuple[str, ...]
    allowed: tuple[str, ...] | None = None
    transfer: Document = field(default_factory=dict)
    card: DatasetCard = field(default_factory=table_card)
    source_card: DatasetCard = field(default_factory=table_card)


WIDER: Document = {**DEEP, "architecture": {"type": "mlp", "hidden": [32, 20]}}
ONE: Document = {**DEEP, "architecture": {"type": "mlp", "hidden": [32]}}
THREE: Document = {**DEEP, "architecture": {"type": "mlp", "hidden": [32, 16, 10]}}
LAYERS = "/pretraining/layers"

MISFITS = [
    Misfit(DEEP, WIDER, LAYERS,
           ("layer 2 is hidden2.linear (linear 32 -> 20, batch_norm) here",
            f"hidden2.linear (linear 32 -> 16, batch_norm) in {RUN}", "1 layer fits"), ("1",)),
    Misfit(DEEP, {**DEEP, "norm": "layer_norm"}, LAYERS, ("layer_norm) here", "batch_norm) in", "no layer fits")),
    Misfit(ONE, DEEP, LAYERS, ("layer 2 is hidden2", "head (linear 32 -> 10)"), ("1",)),
    # The source's output layer has the shape of a hidden one.
    Misfit({**DEEP, "norm": None}, {**THREE, "norm": None}, LAYERS, ("layer 3 is hidden3",), ("1 to 2",)),
    Misfit(DEEP, {**THREE, "norm": None}, LAYERS, ("no layer fits",)),
    Misfit(DEEP, DEEP, LAYERS, ("3 layers", "output layer"), ("1 to 3",), {"layers": 4}),
    Misfit(DEEP, {"architecture": "linear"}, LAYERS, ("1 layer,",), ("1",)),
    Misfit(DEEP, DEEP, LAYERS, ("layer 3 is head (linear 16 -> 3) here",), ("1 to 2",), {"layers": "all"},
           table_card(classes=3)),
    Misfit(DEEP, DEEP, LAYERS, ("targets of run_source222222",), ("1 to 2",), {"layers": 3},
           table_card().model_copy(update={"classes": tuple("0123456798")})),
    # One output each, of a class and of a number.
    Misfit(DEEP, {**DEEP, "objective": "binary_cross_entropy"}, LAYERS, ("head (linear 16 -> 1) here", "denormalize"),
           ("1 to 2",), {"layers": "all"}, table_card(classes=2), table_card(classes=None)),
    Misfit(DEEP, {**DEEP, "objective": "poisson"}, LAYERS, ("exponential", "denormalize"), ("1 to 2",),
           {"layers": "all"}, table_card(classes=None), table_card(classes=None)),
    Misfit(DEEP, DEEP, "/pretraining/freeze", ("all of 3 layers",), ("false",), {"layers": "all", "freeze": True}),
    Misfit(DEEP, DEEP, "/pretraining/checkpoint", ("shape 64", "recipe 32"), None, {}, table_card(features=32)),
    # Bytes and floats of the same images.
    Misfit({"architecture": "resnet"}, {"architecture": "resnet"}, "/pretraining/checkpoint",
           ("uint8 from 0 to 255", "float32"), None, {},
           image_card().model_copy(update={"dtype": "float32", "maximum": 1.0}), image_card()),
    # As many columns, but other ones.
    Misfit({**DEEP, "dataset": {"id": "houses", "target": "price"}},
           {**DEEP, "dataset": {"id": "houses", "target": "rooms"}}, "/pretraining/checkpoint",
           ("it was trained with the column rooms where this set has area",), None, {}, columns_card(), columns_card()),
    Misfit(DEEP, {**DEEP, "dataset": {"id": "rows", "normalization": "min_max"}}, "/dataset/normalization",
           ("standardize",), ("standardize",)),
]  # fmt: skip


@pytest.mark.parametrize("misfit", MISFITS, ids=lambda misfit: f"{misfit.pointer} {misfit.says[0]}")
def test_a_misfit_names_the_field_and_how_much_fits(misfit: Misfit) -> None:
    source = planned(misfit.source, misfit.source_card)
    problem = refusal(source, misfit.document, misfit.card, **misfit.transfer)
    assert (problem.pointer, problem.allowed) == (misfit.pointer, misfit.allowed)
    for words in misfit.says:
        assert words in problem.message


def test_what_is_allowed_fits() -> None:
    assert len(pairs(built_on(planned(DEEP), WIDER, layers=1))) == 2
    assert pairs(built_on(planned({"architecture": "linear"}), {"architecture": "linear"}, layers=1)) == [
        ("head", "head")
    ]


def test_the_canonical_recipe_has_the_sources_normalization() -> None:
    source = planned({**DEEP, "dataset": {"id": "rows", "normalization": "min_max"}})
    plan = built_on(source, DEEP)
    assert plan.recipe.dataset.normalization == "min_max"
    again = make_plan(read_recipe(plan.recipe.canonical()), plan.card, plan.checkpoints)
    assert again.recipe == plan.recipe


def test_a_source_is_planned_without_its_own() -> None:
    named = {"type": "transfer", "checkpoint": {"run": RUN, "epoch": 1, "sha256": "f" * 64}}
    assert built_on(planned({**DEEP, "pretraining": named}), DEEP).root == planned(DEEP).root
