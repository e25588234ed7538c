"""Dropout layers in torch."""

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import assert_never

import torch
from torch import Tensor, nn

from bakehouse.recipe.dropout import (
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout,
    UnitDropout,
    Uout,
    VanillaDropout,
)


def dropout(spec: UnitDropout) -> nn.Module:
    """Each draws from torch's default generator, which the training loop seeds at every step."""
    match spec:
        case Dropout():
            return nn.Dropout(spec.rate)
        case VanillaDropout():
            return VanillaDropoutLayer(spec.rate)
        case SpatialDropout():
            return nn.Dropout2d(spec.rate)
        case GaussianDropout():
            return Noise(partial(times_normal, std=sqrt(spec.rate / (1 - spec.rate))))
        case Uout():
            return Noise(partial(times_uniform, beta=spec.beta))
        case GaussianNoise():
            return Noise(partial(plus_normal, std=spec.std))
        case _:
            assert_never(spec)


class VanillaDropoutLayer(nn.Module):
    """m x in training with m ~ Bernoulli(1 - rate), (1 - rate) x in evaluation. arXiv 1207.0580."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            return inputs * (1 - self.rate)
        return inputs * torch.empty_like(inputs).bernoulli_(1 - self.rate)


class Noise(nn.Module):
    """noisy(x) in training, x in evaluation."""

    def __init__(self, noisy: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.noisy = noisy

    def forward(self, inputs: Tensor) -> Tensor:
        return self.noisy(inputs) if self.training else inputs


def times_normal(inputs: Tensor, *, std: float) -> Tensor:
    """x r with r ~ N(1, std^2)."""
    return inputs + inputs * (std * torch.randn_like(inputs))


def times_uniform(inputs: Tensor, *, beta: float) -> Tensor:
    """x (1 + r) with r ~ U(-beta, beta). arXiv 1801.05134, equation 15."""
    return inputs + inputs * torch.empty_like(inputs).uniform_(-beta, beta)


def plus_normal(inputs: Tensor, *, std: float) -> Tensor:
    """x + N(0, std^2)."""
    return inputs + std * torch.randn_like(inputs)
