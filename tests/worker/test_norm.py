"""Normalisation layers against their formulas in float64."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from bakehouse.plan.layers import Norm
from bakehouse.recipe.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, NormLayer
from worker.norm import norm

Floats = NDArray[np.float64]

ROWS, MAPS = (6,), (6, 3, 5)
EPS = 0.25
CASES: list[tuple[NormLayer, tuple[int, ...]]] = [
    (BatchNorm(eps=EPS), ROWS),
    (BatchNorm(eps=EPS), MAPS),
    (LayerNorm(eps=EPS), ROWS),
    (LayerNorm(eps=EPS), MAPS),
    (InstanceNorm(eps=EPS), MAPS),
    (GroupNorm(eps=EPS, num_groups=3), ROWS),
    (GroupNorm(eps=EPS, num_groups=2), MAPS),
    (GroupNorm(eps=EPS, num_groups=1), MAPS),
]


def as_groups(spec: NormLayer, x: Floats) -> Floats:
    """The numbers that share a mean, one row each."""
    match spec:
        case BatchNorm():
            return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
        case LayerNorm():
            return x.reshape(len(x), -1)
        case InstanceNorm():
            return x.reshape(len(x) * x.shape[1], -1)
        case GroupNorm(num_groups=groups):
            return x.reshape(len(x) * groups, -1)


def from_groups(spec: NormLayer, rows: Floats, shape: tuple[int, ...]) -> Floats:
    """Back to the inputs' shape."""
    if isinstance(spec, BatchNorm):
        return np.moveaxis(rows.reshape(shape[1], shape[0], *shape[2:]), 0, 1)
    return rows.reshape(shape)


def learned(layer: nn.Module, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """gamma and beta, drawn at random, over a batch."""
    assert isinstance(layer.weight, nn.Parameter)
    assert isinstance(layer.bias, nn.Parameter)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    per_channel = (-1, *[1] * (len(shape) - 1))
    arrays = (parameter.detach().numpy() for parameter in (layer.weight, layer.bias))
    gamma, beta = (array if array.shape == shape else array.reshape(per_channel) for array in arrays)
    return gamma, beta


@pytest.mark.parametrize(("spec", "shape"), CASES)
def test_forward_and_backward_are_the_closed_forms(spec: NormLayer, shape: tuple[int, ...]) -> None:
    layer = norm(Norm(spec, shape)).double()
    gamma, beta = learned(layer, shape)
    x = torch.randn(4, *shape, dtype=torch.float64, requires_grad=True)
    dy = torch.randn(4, *shape, dtype=torch.float64)
    y = layer(x)
    y.backward(dy)

    rows = as_groups(spec, x.detach().numpy())
    deviation = np.sqrt(((rows - rows.mean(1, keepdims=True)) ** 2).mean(1, keepdims=True) + EPS)
    x_hat = (rows - rows.mean(1, keepdims=True)) / deviation
    x_hat_in_place = from_groups(spec, x_hat, (4, *shape))
    np.testing.assert_allclose(y.detach().numpy(), gamma * x_hat_in_place + beta, rtol=1e-9, atol=1e-12)

    g, m = as_groups(spec, gamma * dy.numpy()), rows.shape[1]
    dx = (m * g - g.sum(1, keepdims=True) - x_hat * (g * x_hat).sum(1, keepdims=True)) / (m * deviation)
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), from_groups(spec, dx, (4, *shape)), rtol=1e-8, atol=1e-11)
    assert isinstance(layer.weight, nn.Parameter)
    assert layer.weight.grad is not None
    per_sample = (dy.numpy() * x_hat_in_place).sum(0)
    d_gamma = per_sample if gamma.shape == shape else per_sample.reshape(shape[0], -1).sum(1)
    np.testing.assert_allclose(layer.weight.grad.numpy(), d_gamma, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("shape", [ROWS, MAPS])
def test_batch_norm_evaluates_with_moving_averages_that_start_at_0_and_1(shape: tuple[int, ...]) -> None:
    layer = norm(Norm(BatchNorm(momentum=0.3, eps=EPS), shape)).double()
    batches = [torch.randn(4, *shape, dtype=torch.float64) * scale + scale for scale in (1, 5)]
    for batch in batches:
        layer(batch)
    mean, variance = np.zeros(6), np.ones(6)
    for batch in batches:
        rows = as_groups(BatchNorm(), batch.numpy())
        mean = 0.7 * mean + 0.3 * rows.mean(1)
        variance = 0.7 * variance + 0.3 * rows.var(1, ddof=1)
    layer.eval()
    x = torch.randn(2, *shape, dtype=torch.float64)
    per_channel = (6, *[1] * (len(shape) - 1))
    wanted = (x.numpy() - mean.reshape(per_channel)) / np.sqrt(variance.reshape(per_channel) + EPS)
    np.testing.assert_allclose(layer(x).detach().numpy(), wanted, rtol=1e-9)


@pytest.mark.parametrize(("spec", "shape"), CASES)
def test_only_batch_norm_is_different_in_evaluation(spec: NormLayer, shape: tuple[int, ...]) -> None:
    layer = norm(Norm(spec, shape))
    x = torch.randn(4, *shape) * 3
    trained, evaluated = layer.train()(x), layer.eval()(x)
    assert torch.equal(trained, evaluated) is not isinstance(spec, BatchNorm)


@pytest.mark.parametrize(("spec", "shape"), CASES)
def test_without_affine_nothing_is_learned(spec: NormLayer, shape: tuple[int, ...]) -> None:
    field = "elementwise_affine" if isinstance(spec, LayerNorm) else "affine"
    plain = norm(Norm(spec.model_copy(update={field: False}), shape))
    assert not list(plain.parameters())
    x = torch.randn(4, *shape)
    torch.testing.assert_close(plain(x), norm(Norm(spec, shape))(x))


def test_one_group_is_layer_norm_and_a_group_a_channel_is_instance_norm() -> None:
    x = torch.randn(4, *MAPS, dtype=torch.float64)
    one, each = (norm(Norm(GroupNorm(num_groups=groups, affine=False), MAPS)) for groups in (1, 6))
    layer = norm(Norm(LayerNorm(elementwise_affine=False), MAPS))
    instance = norm(Norm(InstanceNorm(affine=False), MAPS))
    torch.testing.assert_close(one(x), layer(x))
    torch.testing.assert_close(each(x), instance(x))
