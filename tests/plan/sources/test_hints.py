"""The layers that hints join, and the hints that are refused."""

import pytest

from bakehouse.plan.plan import Plan, make_plan
from bakehouse.plan.sources.hints import Hidden, Regressor, hidden_layers, numbers_of_teaching, regressor
from bakehouse.plan.sources.transfer import units
from bakehouse.recipe.pretraining import Hints
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests.plan.cards import Document, image_card, planned, sequence_card, table_card

TEACHER: Document = {"architecture": {"type": "cnn", "channels": [8, 16, 24], "hidden": [32]}}
STUDENT: Document = {"architecture": {"type": "fitnet", "stages": [[4, 4, 4], [4, 4], [4]], "hidden": 8}}
SHA = "c" * 64
AFTER = {"type": "batch_norm", "placement": "after_activation"}
ARCHITECTURES = [
    "cnn", "fitnet", {"type": "resnet", "depth": 8}, {"type": "preresnet", "depth": 11, "block": "bottleneck"},
    {"type": "wide_resnet", "depth": 10}, {"type": "resnext", "depth": 11}, {"type": "densenet", "depth": 10}, "mlp",
]  # fmt: skip


def taught(hints: Document, student: Document = STUDENT, teacher: Document = TEACHER) -> Plan:
    """A student of images whose teacher is of the same set."""
    card = image_card()
    named = {"run": "run_source222222", "sha256": SHA}
    document = {"dataset": card.id, **student, "pretraining": {"type": "hints", "teacher": named, **hints}}
    return make_plan(read_recipe(document), card, {SHA: planned(teacher, card)})


def problem(hints: Document, **parts: Document) -> Problem:
    with pytest.raises(RecipeInvalid) as refused:
        taught(hints, **parts)
    [found] = refused.value.problems
    return found


def spec_of(plan: Plan) -> Hints:
    assert isinstance(plan.recipe.pretraining, Hints)
    return plan.recipe.pretraining


def joined(plan: Plan) -> Regressor:
    return regressor(spec_of(plan), plan.root, plan.checkpoints[SHA].root)


@pytest.mark.parametrize("norm", ["none", "batch_norm"])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_layers_are_counted_as_for_a_transfer(architecture: object, norm: str) -> None:
    root = planned({"architecture": architecture, "norm": norm}, image_card()).root
    assert len(hidden_layers(root)) == len(units(root)) - 1


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ({"architecture": {"type": "mlp", "hidden": [9, 5]}, "norm": "layer_norm", "dropout": 0.5},
         [Hidden("hidden1.activation", (9,), "relu"), Hidden("hidden2.activation", (5,), "relu")]),
        ({"architecture": {"type": "mlp", "hidden": 9}, "norm": AFTER},
         [Hidden("hidden1.activation", (9,), "relu")]),
        ({"architecture": {"type": "mlp", "hidden": 9, "activation": "tanh"}, "dropout": "drop_connect"},
         [Hidden("hidden1.linear", (9,), "tanh")]),
        ({"architecture": "linear"}, []),
        ({"architecture": {"type": "mlp", "hidden": 9}, "objective": {"tasks": []}},
         [Hidden("hidden1.activation", (9,), "relu")]),
    ],
)  # fmt: skip
def test_the_outputs_of_a_layer_are_those_of_its_activation(document: Document, wanted: list[Hidden]) -> None:
    assert hidden_layers(planned(document, table_card()).root) == wanted


def test_the_outputs_of_a_block_are_those_after_its_sum() -> None:
    root = planned({"architecture": {"type": "resnet", "depth": 8}, "norm": "batch_norm"}, image_card()).root
    names = [layer.name for layer in hidden_layers(root)]
    assert names[:3] == ["stem.activation", "stage1.block1.sum.body.first.activation", "stage1.block1.activation"]


def test_by_default_the_middle_layers_are_joined() -> None:
    spec = spec_of(taught({}))
    assert (spec.hint_layer, spec.guided_layer) == (2, 4)
    spec = spec_of(taught({"hint_layer": 3, "guided_layer": 6}))
    assert (spec.hint_layer, spec.guided_layer) == (3, 6)


def test_the_kernel_shrinks_the_guided_map_to_the_hint() -> None:
    join = joined(taught({"hint_layer": 2, "guided_layer": 3}))
    assert (join.guided.output, join.hint.output) == ((4, 32, 32), (16, 16, 16))
    assert (join.kernel_size, join.outputs) == ((17, 17), 16)
    assert join.parameters == 16 * (4 * 17 * 17 + 1)


def test_a_hint_of_maxout_is_learnt_by_as_many_pieces() -> None:
    join = joined(taught({"hint_layer": 2, "guided_layer": 1}, student=TEACHER, teacher=STUDENT))
    assert (join.hint.activation, join.hint.pieces, join.outputs) == ("maxout", 2, 8)


def test_a_row_is_learnt_by_a_fully_connected_layer() -> None:
    join = joined(taught({"hint_layer": 4, "guided_layer": 6}))
    assert not join.is_convolution
    assert join.parameters == 32 * (4 * 8 * 8 + 1)


def test_a_map_does_not_grow() -> None:
    found = problem({"hint_layer": 1, "guided_layer": 5})
    assert found.pointer == "/pretraining/guided_layer"
    assert "4 x 16 x 16" in found.message
    assert "8 x 32 x 32" in found.message
    assert found.allowed == ("1", "2", "3")


def test_a_row_becomes_no_map() -> None:
    found = problem({"hint_layer": 3, "guided_layer": 7})
    assert (found.pointer, found.allowed) == ("/pretraining/guided_layer", ("1", "2", "3", "4", "5", "6"))
    assert "hidden.activation" in found.message


@pytest.mark.parametrize(
    ("hints", "pointer", "allowed"),
    [
        ({"hint_layer": 5}, "/pretraining/hint_layer", ("1 to 4",)),
        ({"guided_layer": 8}, "/pretraining/guided_layer", ("1 to 7",)),
    ],
)
def test_an_output_layer_gives_and_takes_no_hints(hints: Document, pointer: str, allowed: tuple[str, ...]) -> None:
    found = problem(hints)
    assert (found.pointer, found.allowed) == (pointer, allowed)
    assert "before its output layer" in found.message


def test_a_linear_model_has_no_layer_to_guide() -> None:
    found = problem({}, student={"architecture": "linear"})
    assert (found.pointer, found.allowed) == ("/pretraining/guided_layer", None)


def test_a_step_of_a_sequence_is_no_hint() -> None:
    card = sequence_card()
    recurrent: Document = {"dataset": card.id, "architecture": {"type": "rnn", "num_layers": 2}}
    named = {"run": "run_source222222", "sha256": SHA}
    document = {**recurrent, "pretraining": {"type": "hints", "teacher": named, "hint_layer": 1, "guided_layer": 1}}
    with pytest.raises(RecipeInvalid, match="recurrent, 12 x"):
        make_plan(read_recipe(document), card, {SHA: planned(recurrent, card)})


def test_the_teacher_and_the_regressor_take_memory() -> None:
    plan, alone = taught({"hint_layer": 2, "guided_layer": 3}), planned(STUDENT, image_card())
    numbers = numbers_of_teaching(plan.recipe, plan.root, plan.checkpoints[SHA].root)
    assert plan.estimate.memory_bytes - alone.estimate.memory_bytes == 4 * numbers
    assert numbers > plan.checkpoints[SHA].estimate.parameters + 3 * joined(plan).parameters
    assert plan.estimate.parameters == alone.estimate.parameters


def test_a_source_is_planned_without_its_teacher() -> None:
    named = {"run": "run_source222222", "sha256": SHA}
    card = image_card()
    document = {"dataset": card.id, **STUDENT, "pretraining": {"type": "hints", "teacher": named}}
    assert spec_of(make_plan(read_recipe(document), card)).hint_layer is None
