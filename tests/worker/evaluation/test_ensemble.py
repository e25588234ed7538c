"""The mean of several models, against the formulas in NumPy."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from worker.evaluation.standalone.ensemble import Ensemble, mean_output

Floats = NDArray[np.float64]
LOGITS = np.random.default_rng(0).normal(0, 3, (3, 5, 4))


class Constant(nn.Module):
    """A model with the same outputs for all inputs."""

    def __init__(self, outputs: Floats) -> None:
        super().__init__()
        self.outputs = torch.from_numpy(outputs)

    def forward(self, _: Tensor) -> Tensor:
        return self.outputs


def softmax(logits: Floats) -> Floats:
    powers: Floats = np.exp(logits)
    found: Floats = powers / powers.sum(-1, keepdims=True)
    return found


def sigmoid(logits: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-logits))
    return found


def mean_of(logits: Floats, loss: str, mean: str) -> Floats:
    found: Floats = mean_output(torch.from_numpy(logits), loss, mean).numpy()
    return found


def test_the_arithmetic_mean_is_that_of_the_probabilities() -> None:
    np.testing.assert_allclose(softmax(mean_of(LOGITS, "cross_entropy", "arithmetic")), softmax(LOGITS).mean(0))
    binary = LOGITS[..., :1]
    np.testing.assert_allclose(sigmoid(mean_of(binary, "binary_cross_entropy", "arithmetic")), sigmoid(binary).mean(0))


def test_the_geometric_mean_is_the_root_of_the_product_over_its_sum() -> None:
    roots = softmax(LOGITS).prod(0) ** (1 / 3)
    np.testing.assert_allclose(
        softmax(mean_of(LOGITS, "cross_entropy", "geometric")), roots / roots.sum(1, keepdims=True)
    )
    binary = LOGITS[..., :1]
    ones, zeros = sigmoid(binary).prod(0) ** (1 / 3), sigmoid(-binary).prod(0) ** (1 / 3)
    np.testing.assert_allclose(sigmoid(mean_of(binary, "binary_cross_entropy", "geometric")), ones / (ones + zeros))


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_each_target_has_the_mean_of_its_task(mean: str) -> None:
    outputs = LOGITS.astype(np.float32)
    targets = [(slice(0, 3), "cross_entropy"), (slice(3, 4), "squared_error")]
    found = Ensemble([Constant(each) for each in outputs], targets, mean)(torch.zeros(5, 1))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[:, 3], outputs[..., 3].mean(0), rtol=1e-6)
    classes = mean_of(LOGITS[..., :3], "cross_entropy", mean)
    np.testing.assert_allclose(softmax(found[:, :3].double().numpy()), softmax(classes), rtol=1e-5)


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_sure_members_give_finite_logits(mean: str) -> None:
    sure = np.array([[[800.0, -800.0]], [[700.0, -900.0]]])
    assert np.isfinite(mean_of(sure, "cross_entropy", mean)).all()
    assert np.isfinite(mean_of(sure[..., :1], "binary_cross_entropy", mean)).all()
