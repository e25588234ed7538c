"""The closed forms against numbers drawn from the same distributions."""

import numpy as np
import pytest
import torch

from bakehouse.advice.rules import advise
from bakehouse.advice.variance_shift import MAXOUT, MOMENTS, shifts, variance_ratio
from bakehouse.plan.modules import ACTIVATIONS, Call
from tests.plan.cards import image_card, planned
from worker.model.build import construct


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_of_activations(name: str) -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(160)
    values = construct(Call(ACTIVATIONS[name]))(torch.from_numpy(nodes)).numpy()
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


@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.6])
@pytest.mark.parametrize(("rate", "mean"), [(0.5, 0.0), (0.5, 0.7), (0.2, 1.5)])
def test_the_ratio_behind_weights_is_that_of_drawn_numbers(rate: float, mean: float, correlation: float) -> None:
    generator = np.random.default_rng(1)
    weights = generator.standard_normal(24) + 0.4
    shared, own = generator.standard_normal((200_000, 1)), generator.standard_normal((200_000, 24))
    x = mean + 1.3 * (np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)
    dropped = x * (generator.random(x.shape) >= rate) / (1 - rate)
    wanted = (x @ weights).var() / (dropped @ weights).var()
    alignment = weights.sum() ** 2 / (weights**2).sum()
    assert alignment > 3
    assert variance_ratio(rate, mean**2, 1.69, correlation, alignment) == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("correlation", [0.01, 0.5])
def test_many_inputs_that_are_alike_hide_the_shift(correlation: float) -> None:
    ratios = [variance_ratio(0.5, *MOMENTS["relu"], correlation, alignment) for alignment in (1, 10, 1e3, 1e9)]
    assert ratios == sorted(ratios)
    assert ratios[0] == pytest.approx(0.405, abs=5e-4)
    assert ratios[-1] == pytest.approx(1, abs=1e-6)


def test_the_advice_has_the_ratio_with_and_without_correlation() -> None:
    plan = planned({"norm": "batch_norm", "dropout": 0.5, "architecture": {"type": "mlp", "hidden": [512, 64]}})
    [shift] = shifts(plan)
    c2, v, d_cos2 = *MOMENTS["relu"], 0.02 * 512
    wanted = (v + v * 0.1 * (d_cos2 - 1)) / ((c2 + v) / 0.5 - c2 + v * 0.1 * (d_cos2 - 1))
    assert (shift.ratio, shift.correlated) == pytest.approx((0.405, wanted), abs=5e-4)
    [message] = [advice.message for advice in advise(plan) if advice.code == "variance_shift"]
    assert f"0.41 times that if inputs are not correlated, {wanted:.2f} times at a correlation of 0.1" in message


def test_dropout_after_all_norms_shifts_nothing() -> None:
    dropout = {"type": "dropout", "rate": 0.5, "placement": "classifier"}
    plan = planned({"architecture": "resnet", "norm": "batch_norm", "dropout": dropout}, image_card())
    assert list(shifts(plan)) == []


def test_fan_in_counts_the_window() -> None:
    dropout = {"type": "dropout", "rate": 0.5, "placement": "block_before_conv"}
    plan = planned({"architecture": "resnet", "norm": "batch_norm", "dropout": dropout}, image_card())
    assert {shift.fan_in for shift in shifts(plan)} == {9 * 16, 9 * 32, 9 * 64}
