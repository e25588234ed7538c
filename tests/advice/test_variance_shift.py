"""The closed forms against numbers drawn from the same distributions."""

import numpy as np
import pytest
import torch

from bakehouse.advice.variance_shift import MAXOUT, MOMENTS, shifts, variance_ratio
from tests.plan.cards import image_card, planned
from worker.model.build import ACTIVATIONS


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_of_activations(name: str) -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(160)
    values = ACTIVATIONS[name]()(torch.from_numpy(nodes)).numpy()
    mean, square = (np.average(values**power, weights=weights) for power in (1, 2))
    assert MOMENTS[name] == pytest.approx((mean**2, square - mean**2), abs=2e-3)


def test_moments_of_maxout() -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(160)
    larger, product = np.maximum(nodes[:, None], nodes), np.outer(weights, weights)
    mean, square = (np.average(larger**power, weights=product) for power in (1, 2))
    assert pytest.approx((mean**2, square - mean**2), abs=5e-3) == MAXOUT


@pytest.mark.parametrize(
    ("rate", "squared_mean", "variance", "expected"),
    [(0.5, 0.0, 1.0, 0.5), (0.2, 0.0, 3.0, 0.8), (0.5, 0.1592, 0.3408, 0.405), (0.1, 0.1592, 0.3408, 0.860)],
)
def test_the_ratio_of_the_paper(rate: float, squared_mean: float, variance: float, expected: float) -> None:
    assert variance_ratio(rate, squared_mean, variance) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("is_vanilla", [False, True])
def test_the_ratio_of_drawn_numbers(is_vanilla: bool) -> None:
    generator = np.random.default_rng(0)
    x = np.maximum(generator.standard_normal(400_000), 0)
    mask = generator.random(x.shape) >= 0.3
    train, evaluation = (x * mask, 0.7 * x) if is_vanilla else (x * mask / 0.7, x)
    assert variance_ratio(0.3, *MOMENTS["relu"]) == pytest.approx(evaluation.var() / train.var(), rel=0.01)


def test_dropout_behind_all_norms_shifts_nothing() -> None:
    dropout = {"type": "dropout", "rate": 0.5, "placement": "classifier"}
    plan = planned({"architecture": "resnet", "norm": "batch_norm", "dropout": dropout}, image_card())
    assert list(shifts(plan)) == []


def test_fan_in_counts_the_window() -> None:
    dropout = {"type": "dropout", "rate": 0.5, "placement": "block_before_conv"}
    plan = planned({"architecture": "resnet", "norm": "batch_norm", "dropout": dropout}, image_card())
    assert {shift.fan_in for shift in shifts(plan)} == {9 * 16, 9 * 32, 9 * 64}
