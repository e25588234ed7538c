"""Layers of another run are copied bit for bit with their units, and do not change while they are frozen."""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from bakehouse.recipe.norm import NormLayer
from tests.small_trainings import (
    DIABETES,
    DIGITS_CNN,
    IRIS,
    SOURCES,
    Document,
    bits,
    make_training,
    measure_split,
    run_to_end,
    train_source,
)
from worker.data.dataset import Unit
from worker.model.modules import BatchRenorm
from worker.training.training import Training
from worker.types import Weights

DEEP: Document = {**DIGITS_CNN, "architecture": {"type": "cnn", "channels": [8, 8], "hidden": [16]}}
"""Three hidden layers, each with its norm."""
NORMED_EVERYWHERE: Document = {
    **DIGITS_CNN,
    "architecture": {"type": "cnn", "channels": [8, 8], "convolutions": 2, "hidden": []},
}
"""Four convolutions, and no row that a norm of maps would refuse."""
NORMED_IRIS: Document = {**IRIS, "norm": "batch_norm"}
ROWS: Document = {**DIGITS_CNN, "dataset": {"id": "digits_sequence", "validation_fraction": 0.9}, "augmentation": [],
                  "architecture": {"type": "rnn", "cell": "gru", "hidden_size": 4}}  # fmt: skip
PULLED = [{"type": "l1", "method": "proximal"}, {"type": "weight_decay", "coefficient": 0.1}, {"type": "max_norm"},
          {"type": "weight_noise", "include_norms": True, "include_biases": True}]  # fmt: skip
"""All ingredients that change weights other than by gradients."""


def built_on(source: Document, document: Document, **transfer: Any) -> tuple[Training, Weights]:
    """A training that begins with a source's layers, and the source's weights."""
    named = train_source(source)
    training = make_training({**document, "pretraining": {"type": "transfer", "checkpoint": named, **transfer}})
    return training, SOURCES[named["sha256"]].weights


def under(weights: dict[str, Tensor], *names: str) -> dict[str, bytes]:
    """The tensors of some layers."""
    return bits({name: tensor for name, tensor in weights.items() if name.startswith(names)})


def test_the_first_layers_are_the_sources_and_the_rest_is_at_random() -> None:
    training, source = built_on(DEEP, {**DEEP, "seed": 1}, layers=2)
    to_cpu, rest = ("stage1", "stage2"), ("hidden1", "head")
    assert under(training.weights(), *to_cpu) == under(source, *to_cpu)
    assert len(under(source, *to_cpu)) == 2 * 6
    assert float(training.weights()["stage1.conv1.norm.num_batches_tracked"]) > 0
    assert under(training.weights(), *rest) == under(make_training({**DEEP, "seed": 1}).weights(), *rest)


def test_batch_renorm_restarts_its_schedule() -> None:
    document = {**DIGITS_CNN, "norm": "batch_renorm"}
    training, source = built_on(document, {**document, "seed": 1})
    norm = "stage1.conv1.norm"
    layer = training.model.get_submodule(norm)
    assert isinstance(layer, BatchRenorm)
    assert torch.equal(layer.running_std, source[f"{norm}.running_std"])
    assert [float(limit) for limit in layer.limits()] == [1, 0]


def test_layers_have_their_own_names_in_each_model() -> None:
    resnet = {**DIGITS_CNN, "architecture": {"type": "resnet", "depth": 8}}
    cnn = {**DIGITS_CNN, "architecture": {"type": "cnn", "channels": [16, 16], "hidden": []}}
    training, source = built_on(resnet, cnn)
    weights, block = training.weights(), "stage1.block1.sum.body.first"
    for ours, theirs in (("stage1.conv1", "stem"), ("stage2.conv1", block)):
        for tensor in ("conv.weight", "norm.weight", "norm.running_mean", "norm.running_var"):
            assert torch.equal(weights[f"{ours}.{tensor}"], source[f"{theirs}.{tensor}"])


def test_inputs_are_normalised_with_the_sources_numbers() -> None:
    fewer = {**IRIS, "dataset": {"id": "iris", "validation_fraction": 0.5, "normalization": "min_max"}}
    training, source = built_on(fewer, IRIS)
    own = make_training({**IRIS, "dataset": {"id": "iris", "normalization": "min_max"}})
    shift, scale = source["normalize.shift"], source["normalize.scale"]
    assert not torch.equal(own.data.scale, scale)
    assert torch.equal(training.weights()["normalize.shift"], shift)
    rows = training.batches.order(0)[:32]
    inputs, _ = next(iter(training.batches.from_step(0)))
    assert torch.equal(inputs, (training.data.train.inputs[rows] - shift) * scale)


@pytest.mark.parametrize(
    "document",
    [
        NORMED_IRIS,
        DIABETES,
        {**DIABETES, "objective": "poisson"},
        {**DIGITS_CNN, "objective": {"tasks": ["parity"]}},
        {**ROWS, "norm": "layer_norm"},
    ],
    ids=str,
)
def test_with_all_layers_a_run_goes_on_from_what_the_source_has_reached(document: Document) -> None:
    training, source = built_on(document, {**document, "seed": 7}, layers="all")
    assert bits(training.weights()) == bits(source)
    before = make_training(document)
    before.model.load_state_dict(source)
    assert measure_split(training, "validation") == measure_split(before, "validation")


def test_a_regression_keeps_the_units_of_the_targets_that_its_output_layer_was_trained_for() -> None:
    fewer = {**DIABETES, "dataset": {"id": "diabetes", "validation_fraction": 0.7}}
    training, source = built_on(fewer, DIABETES, layers="all")
    mean, std = source["denormalize.mean"], source["denormalize.std"]
    assert training.data.units == (Unit(float(mean), float(std)),)
    _, targets = next(iter(training.batches.from_step(0)))
    rows = training.batches.order(0)[:128]
    torch.testing.assert_close(targets, (training.data.train.targets[rows] - mean) / std)
    hidden_only, _ = built_on(fewer, DIABETES)
    assert hidden_only.data.units == make_training(DIABETES).data.units


ALL_NORMS = [kind.model_fields["type"].default for kind in get_args(NormLayer)]


@pytest.mark.parametrize("norm", ALL_NORMS)
def test_frozen_layers_keep_their_bits_whatever_pulls_at_weights(norm: str) -> None:
    document = {**NORMED_EVERYWHERE, "norm": norm, "optimizer": {"type": "sgd", "lr": 0.1, "momentum": 0.9}}
    training, source = built_on(document, {**document, "seed": 1, "regularizer": PULLED}, layers=2, freeze=True)
    assert run_to_end(training).diverged_at is None
    frozen = under(source, "stage1")
    assert under(training.weights(), "stage1") == frozen
    assert training.best_weights is not None
    assert under(training.best_weights, "stage1") == frozen
    moved = bits(training.weights()).items() - bits(make_training({**document, "seed": 1}).weights()).items()
    trained = {"stage2.conv2.conv.weight", "stage2.conv2.norm.weight", "head.weight", "head.bias"}
    assert trained <= {name for name, _ in moved}


class UnlistedNorm(nn.Module):
    """A norm of a class that nothing in the worker knows, with a moving statistic."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("moving", torch.ones(features))
        self.moving: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.moving.lerp_(inputs.detach().square().mean((0, 2, 3)).sqrt(), 0.5)
        return inputs / self.moving[:, None, None] * self.scale[:, None, None]


def test_a_frozen_norm_whose_class_is_new_keeps_its_moving_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn, "GroupNorm", lambda groups, features, **options: UnlistedNorm(features))
    document = {**NORMED_EVERYWHERE, "norm": "group_norm", "optimizer": {"type": "sgd", "lr": 1e-3}}
    training, source = built_on(document, {**document, "seed": 1}, layers=2, freeze=True)
    run_to_end(training)
    moved = bits(training.weights()).items() - bits(source).items()
    names = {name for name, _ in moved if name.endswith("moving")}
    assert names == {"stage2.conv1.norm.moving", "stage2.conv2.norm.moving"}


def test_norms_inside_a_recurrent_layer_are_frozen_with_it() -> None:
    document = {**ROWS, "norm": "batch_norm"}
    training, source = built_on(document, {**document, "seed": 1}, freeze=True)
    run_to_end(training)
    trained = bits(training.weights())
    kept = {name for name, content in bits(source).items() if trained[name] == content}
    assert any("running_mean" in name for name in kept)
    assert set(source) - kept == {"head.weight", "head.bias"}


def test_frozen_parameters_have_no_place_in_the_optimizer() -> None:
    training, _ = built_on(DEEP, DEEP, layers=3, freeze=True)
    next(training.run())
    held = {id(item) for group in training.take_step.optimizer.param_groups for item in group["params"]}
    assert held == {id(item) for item in training.model.get_submodule("head").parameters()}
    assert all(item.grad is None for item in training.model.get_submodule("stage1").parameters())


def test_without_freezing_copied_layers_are_trained() -> None:
    training, source = built_on(DEEP, DEEP)
    next(training.run())
    name = "stage1.conv1.conv.weight"
    assert not torch.equal(training.weights()[name], source[name])
    assert not torch.equal(
        training.weights()["stage1.conv1.norm.running_mean"], source["stage1.conv1.norm.running_mean"]
    )


def test_a_frozen_norm_normalises_in_training_as_in_evaluation() -> None:
    document = {**DEEP, "dropout": []}
    training, _ = built_on(document, document, freeze=True)
    next(training.run())
    assert training.take_step.trained_layers.training
    rows = training.data.train.inputs[:64]
    as_trained = training.model(rows)
    torch.testing.assert_close(as_trained, training.model.eval()(rows))
