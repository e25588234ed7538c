"""Penalties, decay and constraints, one optimizer step at a time."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.worker.tiny import FLOWERS, PICTURES, step_with, training_of
from worker.training import Training

GRADIENT = torch.full((3, 4), 1e-3)
WEIGHTS = torch.tensor([[10.0, 0.1, -10.0, 0.001]]).repeat(3, 1)
SGD = {"type": "sgd", "lr": 0.1, "momentum": 0.0}
ADAM = {"type": "adam", "lr": 0.1}


def linear(**recipe: Any) -> Training:
    """Four inputs, three outputs, with the weights above."""
    training = training_of({**FLOWERS, "architecture": "linear", **recipe})
    with torch.no_grad():
        head(training).copy_(WEIGHTS)
    return training


def head(training: Training) -> Tensor:
    return training.model.get_parameter("head.weight")


def after_steps(training: Training, *gradients: Tensor) -> list[float]:
    """The first unit's weights."""
    for gradient in gradients:
        step_with(training, {"head.weight": gradient})
    row: list[float] = head(training)[0].tolist()
    return row


def test_l2_is_scaled_by_adam_and_decoupled_decay_is_not() -> None:
    l2 = linear(optimizer=ADAM, regularizer={"type": "l2", "coefficient": 0.1})
    decay = linear(optimizer=ADAM, regularizer={"type": "weight_decay", "coefficient": 0.1})
    assert after_steps(l2, GRADIENT)[:2] == pytest.approx([9.9, 0.0], abs=1e-5)
    assert after_steps(decay, GRADIENT)[:2] == pytest.approx([9.8, -0.001], abs=1e-5)


def test_adamw_is_the_decoupled_form() -> None:
    short = linear(optimizer={"type": "adamw", "lr": 0.1, "weight_decay": 0.1})
    assert after_steps(short, GRADIENT)[:2] == pytest.approx([9.8, -0.001], abs=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_l2_goes_through_sgds_momentum(momentum: float) -> None:
    sgd = {**SGD, "momentum": momentum}
    found = after_steps(linear(optimizer=sgd, regularizer={"type": "l2", "coefficient": 0.2}), GRADIENT, -3 * GRADIENT)
    w, v = WEIGHTS[0].numpy().astype(float), np.zeros(4)
    for g in (1e-3, -3e-3):
        v = momentum * v + g + 0.2 * w
        w = w - 0.1 * v
    assert found == pytest.approx(w, rel=1e-5)


def test_decoupled_decay_stays_out_of_sgds_momentum() -> None:
    sgd = {**SGD, "momentum": 0.9}
    decay = {"type": "weight_decay", "coefficient": 0.2}
    found = after_steps(linear(optimizer=sgd, regularizer=decay), GRADIENT, -3 * GRADIENT)
    w, v = WEIGHTS[0].numpy().astype(float), np.zeros(4)
    for g in (1e-3, -3e-3):
        v = 0.9 * v + g
        w = w * (1 - 0.1 * 0.2) - 0.1 * v
    assert found == pytest.approx(w, rel=1e-5, abs=1e-7)


def test_decay_follows_the_schedule() -> None:
    slow = {"type": "constant", "warmup_epochs": 1}
    training = linear(optimizer=SGD, schedule=slow, regularizer={"type": "weight_decay", "coefficient": 1.0})
    quarter = 0.1 / training.plan.steps_per_epoch
    assert after_steps(training, 0 * GRADIENT) == pytest.approx(WEIGHTS[0] * (1 - quarter))


def test_l1_proximal_gives_exact_zeros_and_the_subgradient_overshoots() -> None:
    proximal = {"type": "l1", "coefficient": 0.5}
    subgradient = {**proximal, "method": "subgradient"}
    found = after_steps(linear(optimizer=SGD, regularizer=proximal), 0 * GRADIENT)
    assert found == pytest.approx([9.95, 0.05, -9.95, 0.0])
    assert found[3] == 0.0
    found = after_steps(linear(optimizer=SGD, regularizer=subgradient), 0 * GRADIENT)
    assert found == pytest.approx([9.95, 0.05, -9.95, -0.049])


def test_the_proximal_step_comes_after_the_gradients() -> None:
    found = after_steps(linear(optimizer=SGD, regularizer={"type": "l1", "coefficient": 0.5}), torch.ones(3, 4))
    assert found == pytest.approx([9.85, 0.0, -10.05, -0.049])


@pytest.mark.parametrize(
    ("document", "name"), [(FLOWERS, "hidden1.linear.weight"), (PICTURES, "stage1.conv1.conv.weight")]
)
def test_max_norm_shortens_each_units_weights_and_no_others(document: dict[str, Any], name: str) -> None:
    training = training_of({**document, "optimizer": SGD, "regularizer": {"type": "max_norm", "maxnorm": 2.0}})
    weight = training.model.get_parameter(name)
    with torch.no_grad():
        weight.copy_(
            torch.randn(weight.shape) * torch.logspace(-2, 2, len(weight)).reshape(-1, *[1] * (weight.ndim - 1))
        )
    before = weight.detach().numpy().reshape(len(weight), -1).copy()
    step_with(training, {})
    lengths = np.sqrt((before**2).sum(1, keepdims=True))
    assert {bool(length > 2) for length in lengths} == {True, False}
    after = weight.detach().numpy().reshape(len(weight), -1)
    np.testing.assert_allclose(after, before * np.minimum(1, 2 / lengths), rtol=1e-5)


SHRINKING = [("l1", {}), ("l1", {"method": "subgradient"}), ("l2", {}), ("weight_decay", {})]


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize(("kind", "fields"), SHRINKING)
def test_biases_and_norms_are_touched_only_where_that_is_asked_for(
    kind: str, fields: dict[str, str], norms: bool, biases: bool
) -> None:
    spec = {"type": kind, "coefficient": 0.01, "include_biases": biases, "include_norms": norms, **fields}
    training = training_of({**FLOWERS, "norm": "layer_norm", "optimizer": SGD, "regularizer": spec})
    parameters = dict(training.model.named_parameters())
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.fill_(1.0)
    step_with(training, {})
    touched = {name for name, parameter in parameters.items() if not torch.equal(parameter, torch.ones_like(parameter))}
    wanted = {"hidden1.linear.weight", "head.weight"}
    wanted |= {"hidden1.linear.bias", "head.bias"} if biases else set()
    wanted |= {"hidden1.norm.weight", "hidden1.norm.bias"} if norms else set()
    assert touched == wanted


@pytest.mark.parametrize("kind", ["l1", "l2", "weight_decay"])
def test_coefficient_0_is_no_regularizer(kind: str) -> None:
    plain = after_steps(linear(optimizer=ADAM), GRADIENT)
    assert after_steps(linear(optimizer=ADAM, regularizer={"type": kind, "coefficient": 0}), GRADIENT) == plain


def test_all_regularizers_work_together() -> None:
    everything = [{"type": "l1", "coefficient": 0.5}, {"type": "l2", "coefficient": 0.2},
                  {"type": "weight_decay", "coefficient": 0.4}, {"type": "max_norm", "maxnorm": 5.0}]  # fmt: skip
    found = after_steps(linear(optimizer=SGD, regularizer=everything), GRADIENT)
    w = WEIGHTS[0].numpy().astype(float)
    # The optimizer's gradient is taken where the loss was, then the weights decay and move.
    w = w * (1 - 0.1 * 0.4) - 0.1 * (1e-3 + 0.2 * w * (1 - 0.1 * 0.4))
    w = np.sign(w) * np.maximum(np.abs(w) - 0.1 * 0.5, 0)
    assert found == pytest.approx(w * min(1, 5 / np.sqrt((w**2).sum())), rel=1e-5)
