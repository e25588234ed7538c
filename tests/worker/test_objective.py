"""Objectives against NumPy in float64."""

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bakehouse.recipe.objective import LabelSmoothing, Objective
from worker.objective import clean_objective, objective

Floats = NDArray[np.float64]
Spread = Literal["all_classes", "wrong_classes"]
SPREADS: list[Spread] = ["all_classes", "wrong_classes"]


def soft_targets(targets: NDArray[np.int64], classes: int, epsilon: float, spread: Spread) -> Floats:
    """What each convention wants the model to say."""
    if spread == "all_classes":
        soft = np.full((len(targets), classes), epsilon / classes)
        soft[np.arange(len(targets)), targets] = 1 - epsilon + epsilon / classes
    else:
        soft = np.full((len(targets), classes), epsilon / (classes - 1))
        soft[np.arange(len(targets)), targets] = 1 - epsilon
    return soft


def cross_entropy(logits: Floats, soft: Floats) -> float:
    """- mean over rows of sum q log p."""
    log_p = logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
    return float(-(soft * (log_p - logits.max(1, keepdims=True))).sum(1).mean())


def smoothed(epsilon: float, spread: Spread) -> Objective:
    return Objective(loss="cross_entropy", label_smoothing=LabelSmoothing(epsilon=epsilon, spread=spread))


@pytest.mark.parametrize("spread", SPREADS)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(3, 12), epsilon=st.floats(0.01, 0.6))
def test_smoothing_is_cross_entropy_with_soft_targets(spread: Spread, seed: int, classes: int, epsilon: float) -> None:
    random = np.random.default_rng(seed)
    logits, targets = 5 * random.normal(size=(7, classes)), random.integers(0, classes, 7)
    found = objective(smoothed(epsilon, spread))(torch.from_numpy(logits), torch.from_numpy(targets))
    assert float(found) == pytest.approx(cross_entropy(logits, soft_targets(targets, classes, epsilon, spread)))


@pytest.mark.parametrize(("spread", "floor"), [("wrong_classes", 0.5448), ("all_classes", 0.5003)])
def test_the_least_loss_is_the_entropy_of_the_targets(spread: Spread, floor: float) -> None:
    targets = np.arange(10)
    best = torch.from_numpy(np.log(soft_targets(targets, 10, 0.1, spread))).requires_grad_()
    loss = objective(smoothed(0.1, spread))(best, torch.from_numpy(targets))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(floor, abs=5e-5)
    assert best.grad is not None
    assert float(best.grad.abs().max()) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("spread", SPREADS)
def test_validation_does_not_smooth(spread: Spread) -> None:
    logits, targets = torch.randn(9, 4, dtype=torch.float64), torch.arange(9) % 4
    one_hot = np.eye(4)[targets.numpy()]
    for found in (clean_objective(smoothed(0.1, spread)), objective(Objective(loss="cross_entropy"))):
        assert float(found(logits, targets)) == pytest.approx(cross_entropy(logits.numpy(), one_hot))


def test_squared_error_compares_a_column_with_a_row() -> None:
    outputs, targets = torch.randn(6, 1, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    wanted = np.mean((outputs.numpy()[:, 0] - targets.numpy()) ** 2)
    assert float(objective(Objective(loss="squared_error"))(outputs, targets)) == pytest.approx(wanted)
