"""Optimizers against their recurrences in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.small_trainings import IRIS, make_training, step_with

Floats = NDArray[np.float64]


def trained(optimizer: dict[str, Any], start: Floats, gradients: list[Floats]) -> Floats:
    """The output layer's weights after these gradients."""
    training = make_training({**IRIS, "architecture": "linear", "optimizer": optimizer})
    weight = training.model.get_parameter("head.weight")
    with torch.no_grad():
        weight.copy_(torch.from_numpy(start))
    for gradient in gradients:
        step_with(training, {"head.weight": torch.from_numpy(gradient).float()})
    return weight.detach().numpy().astype(np.float64)


def drawn(seed: int) -> tuple[Floats, list[Floats]]:
    random = np.random.default_rng(seed)
    return random.normal(size=(3, 4)), list(random.normal(size=(5, 3, 4)))


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.95), st.booleans())
def test_sgd(seed: int, momentum: float, nesterov: bool) -> None:
    w, gradients = drawn(seed)
    found = trained({"type": "sgd", "lr": 0.1, "momentum": momentum, "nesterov": nesterov}, w, gradients)
    v = np.zeros_like(w)
    for g in gradients:
        v = momentum * v + g
        w = w - 0.1 * (g + momentum * v if nesterov else v)
    np.testing.assert_allclose(found, w, rtol=1e-4, atol=1e-5)


def test_sgd_without_momentum_is_plain_descent() -> None:
    w, gradients = drawn(0)
    found = trained({"type": "sgd", "lr": 0.1, "momentum": 0.0}, w, gradients)
    np.testing.assert_allclose(found, w - 0.1 * np.sum(gradients, axis=0), rtol=1e-4, atol=1e-5)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.95), st.floats(0.1, 0.999), st.sampled_from([1e-8, 0.1]))
def test_adam(seed: int, beta1: float, beta2: float, eps: float) -> None:
    w, gradients = drawn(seed)
    found = trained({"type": "adam", "lr": 0.01, "betas": [beta1, beta2], "eps": eps}, w, gradients)
    m = v = np.zeros_like(w)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = w - 0.01 * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    np.testing.assert_allclose(found, w, rtol=1e-3, atol=1e-5)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    alpha=st.floats(0.1, 0.99),
    eps=st.sampled_from([1e-8, 0.1]),
    momentum=st.sampled_from([0.0, 0.8]),
    centered=st.booleans(),
)
def test_rmsprop(seed: int, alpha: float, eps: float, momentum: float, centered: bool) -> None:
    w, gradients = drawn(seed)
    spec = {"type": "rmsprop", "lr": 0.01, "alpha": alpha, "eps": eps, "momentum": momentum, "centered": centered}
    found = trained(spec, w, gradients)
    s = mean = v = np.zeros_like(w)
    for g in gradients:
        s = alpha * s + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        v = momentum * v + g / (np.sqrt(s - centered * mean**2) + eps)
        w = w - 0.01 * v
    np.testing.assert_allclose(found, w, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_the_learning_rate_is_the_schedules(kind: str) -> None:
    schedule = {"type": "constant", "warmup_epochs": 1}
    training = make_training({**IRIS, "architecture": "linear", "optimizer": kind, "schedule": schedule})
    before = training.model.get_parameter("head.weight").detach().clone()
    step_with(training, {"head.weight": torch.ones(3, 4)})
    lr = training.plan.recipe.optimizer.lr / training.plan.steps_per_epoch
    torch.testing.assert_close(
        before - training.model.get_parameter("head.weight"), torch.full((3, 4), lr), rtol=1e-3, atol=0
    )
