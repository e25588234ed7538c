"""Estimated parameters, arithmetic and memory agree with the model that torch builds."""

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bakehouse.plan.card import DatasetCard
from bakehouse.plan.estimate import PROCESS_BYTES, SCATTERED_UNEVEN, tensors
from bakehouse.plan.layers import Conv, DenseConcat, Linear, Norm, Residual, Sequential, walk
from bakehouse.plan.plan import Plan
from bakehouse.recipe.norm import BatchNorm
from tests.plan.cards import Document, image_card, planned, sequence_card, table_card
from tests.strategies import plans
from worker.model.build import build_model
from worker.model.histories import histories
from worker.model.modules import without_unit_layers

# Some that may be asked for would take the machine's memory.
BUILDABLE = plans().filter(lambda plan: plan.estimate.memory_bytes < 2**28)


@settings(max_examples=60, deadline=None)
@given(BUILDABLE)
def test_parameters_are_those_that_torch_has(plan: Plan) -> None:
    assert plan.estimate.parameters == sum(weight.numel() for weight in build_model(plan).parameters())


@settings(max_examples=30, deadline=None)
@given(BUILDABLE)
def test_every_plan_runs_and_gives_its_outputs(plan: Plan) -> None:
    model = build_model(plan).eval()
    with torch.no_grad():
        assert model(torch.rand(2, *plan.data.shape)).shape == (2, plan.outputs)


@pytest.mark.parametrize(
    "architecture",
    [
        "linear",
        "mlp",
        "cnn",
        "resnet",
        {"type": "fitnet", "stages": [[8, 8], [16]], "hidden": 20},
        {"type": "preresnet", "block": "bottleneck"},
        {"type": "wide_resnet", "depth": 10},
        {"type": "resnext", "depth": 11, "width": 16},
        {"type": "densenet", "depth": 22},
    ],
)
def test_arithmetic_of_weights_is_what_torch_counts(architecture: object) -> None:
    plan = planned({"architecture": architecture}, image_card(side=16))
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        build_model(plan).eval()(torch.rand(1, *plan.data.shape))
    ours = sum(layer.flops for _, layer in walk(plan.root) if isinstance(layer, Linear | Conv))
    assert ours == counter.get_total_flops()
    assert ours <= plan.estimate.flops_per_sample <= 1.2 * ours


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ({"batch_size": 64}, {"batch_size": 128}),
        ({"optimizer": {"type": "sgd", "momentum": 0}}, {"optimizer": "sgd"}),
        ({"optimizer": "sgd"}, {"optimizer": "adam"}),
        ({}, {"dropout": "drop_connect"}),
        ({"architecture": {"type": "mlp", "hidden": 64}}, {"architecture": {"type": "mlp", "hidden": 65}}),
    ],
)
def test_what_takes_more_memory(smaller: Document, larger: Document) -> None:
    assert planned(smaller).estimate.memory_bytes < planned(larger).estimate.memory_bytes


def test_memory_of_a_small_model_by_hand() -> None:
    plan = planned({"architecture": "linear", "batch_size": 10}, table_card(features=4, classes=3, rows=100))
    weights, data = 4 * 3 + 3, (4 * 4 + 16) * 100
    # Evaluation holds inputs and outputs of 128 rows, and copies of a batch are made ready for the next step.
    rows = round(SCATTERED_UNEVEN * 4 * 128 * 2 * (4 + 3)) + 4 * 5 * 10 * 4
    assert plan.estimate.memory_bytes == PROCESS_BYTES + 4 * round((11.5 + 2 * 1.5) * weights) + rows + data


@pytest.mark.parametrize(
    ("document", "card"),
    [
        *(({"architecture": name}, image_card(side=16)) for name in ("cnn", "vgg", "resnet", "preresnet")),
        ({"architecture": {"type": "densenet", "depth": 22}}, image_card(side=16)),
        ({"architecture": {"type": "cnn", "activation": "gelu"}, "norm": "group_norm"}, image_card(side=16)),
        ({"architecture": "cnn", "norm": "batch_norm", "dropout": "dropout"}, image_card(side=16)),
        ({"architecture": "cnn", "dropout": "spatial_dropout"}, image_card(side=16)),
        ({"architecture": {"type": "rnn", "cell": "lstm"}}, sequence_card()),
        ({"architecture": {"type": "rnn", "cell": "gru"}}, sequence_card()),
        ({"architecture": {"type": "mlp", "hidden": [64, 64]}}, table_card(rows=100)),
    ],
)
def test_the_tensors_that_are_kept_are_those_that_torch_keeps(document: Document, card: DatasetCard) -> None:
    plan = planned(document, card)
    model = build_model(plan).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    rows = torch.rand(8, *plan.data.shape)
    shared = {tensor.untyped_storage().data_ptr() for tensor in (rows, *model.parameters(), *model.buffers())}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        # The tensor itself is held, so that no other takes its place in memory.
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = without_unit_layers(model)(rows)
    sizes = [tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in shared]
    assert outputs.requires_grad
    assert 8 * 4 * sum(numbers for numbers, _ in tensors(plan.root)) == pytest.approx(sum(sizes), rel=0.06)


def test_earlier_iterations_take_memory() -> None:
    resnext = {"type": "resnext", "depth": 11, "cardinality": 2, "width": 4}
    norms = ({"type": "cross_iteration_batch_norm", "window": window} for window in (1, 4))
    one, four = (planned({"architecture": resnext, "norm": norm}, image_card()) for norm in norms)
    kept = histories(build_model(four))
    assert kept is not None
    numbers = sum(buffer.numel() for _, buffer in kept.buffers())
    assert four.estimate.memory_bytes - one.estimate.memory_bytes == 4 * numbers > 0


def test_a_concatenation_is_kept_beside_its_parts() -> None:
    conv = Conv((3, 4, 4), (2, 4, 4), 3)
    norm = Norm(BatchNorm(), (2, 4, 4))
    body = Sequential((("norm", norm), ("conv", conv)))
    assert [kept for kept, _ in tensors(DenseConcat(body), is_kept=True)] == [16 * 2, 0, 16 * (2 + 2)]
    assert [kept for kept, _ in tensors(Residual(body), is_kept=False)] == [16 * 2, 0, 0]
