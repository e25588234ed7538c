"""DropConnect in torch: masks drawn twice instead of kept, and the mean over masks in evaluation.

Wan et al. 2013, ICML.
"""

from collections.abc import Iterator
from math import pi, sqrt
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from bakehouse.plan.layers import MASK_NUMBERS, DropConnect
from worker.seeds import device_generator

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(32)


class DropConnectLayer(nn.Linear):
    """a(u), u = (m W) x + m b over 1 - rate with a mask for each sample; in evaluation the mean of a(u) for
    normal u of the same mean and variance."""

    def __init__(self, layer: DropConnect, activation: nn.Module | None) -> None:
        super().__init__(layer.input[0], layer.output[0], bias=layer.bias)
        self.rate = layer.spec.rate
        self.activation = activation

    def forward(self, inputs: Tensor) -> Tensor:
        if self.rate == 0:
            return self.activated(super().forward(inputs))
        # A mask a sample rules out the matrix product that 16 bits are made for.
        with torch.autocast(inputs.device.type, enabled=False):
            inputs = inputs.to(self.weight.dtype)
            return self.activated(self.masked(inputs)) if self.training else self.expected(inputs)

    def activated(self, outputs: Tensor) -> Tensor:
        """a(u)."""
        if self.activation is None:
            return outputs
        activated: Tensor = self.activation(outputs)
        return activated

    def with_bias(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and weights, the bias as the weight of an input that is always 1."""
        if self.bias is None:
            return inputs, self.weight
        return functional.pad(inputs, (0, 1), value=1.0), torch.cat((self.weight, self.bias[:, None]), 1)

    def masked(self, inputs: Tensor) -> Tensor:
        """u under new masks."""
        outputs: Tensor = MaskedProduct.apply(*self.with_bias(inputs), self.rate)  # type: ignore[no-untyped-call]
        return outputs

    def expected(self, inputs: Tensor) -> Tensor:
        """The mean of a(u) over masks."""
        mean = super().forward(inputs)
        if self.activation is None:
            return mean
        inputs, weight = self.with_bias(inputs)
        variance = functional.linear(inputs.square(), weight.square()) * (self.rate / (1 - self.rate))
        return expectation(self.activation, mean, variance.clamp(min=torch.finfo(mean.dtype).tiny).sqrt())


class MaskedProduct(torch.autograd.Function):
    """y_n = (M_n W) x_n / keep with M_n ~ Bernoulli(keep). The backward pass draws the same masks again from the
    generator's old state: all of them at once would be as large as the weights times the batch."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, rate: float) -> Tensor:
        generator = device_generator(inputs.device)
        ctx.kept, ctx.state = kept_of_65536(rate), generator.get_state()
        ctx.save_for_backward(inputs, weight)
        products = [
            torch.bmm(mask * weight, inputs[rows, :, None]).squeeze(2)
            for rows, mask in masks(inputs, weight, ctx.kept, generator)
        ]
        outputs: Tensor = torch.cat(products) * (65536 / ctx.kept)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        inputs, weight = ctx.saved_tensors
        generator = Generator(inputs.device)
        generator.set_state(ctx.state)
        of_outputs = gradients[0] * (65536 / ctx.kept)
        of_inputs, of_weight = torch.empty_like(inputs), torch.zeros_like(weight)
        for rows, mask in masks(inputs, weight, ctx.kept, generator):
            masked = mask * of_outputs[rows, :, None]
            of_inputs[rows] = (masked * weight).sum(1)
            of_weight += masked.mul_(inputs[rows, None, :]).sum(0)
        return of_inputs, of_weight, None


def kept_of_65536(rate: float) -> int:
    """Masks come from 16 bits each, 8 times as fast as torch's own: the nearest rate that they can have."""
    return max(1, round((1 - rate) * 65536))


def masks(inputs: Tensor, weight: Tensor, kept: int, generator: Generator) -> Iterator[tuple[slice, Tensor]]:
    """Masks of as many samples at a time as `MASK_NUMBERS` allows, and which samples these are."""
    count = max(1, MASK_NUMBERS // weight.numel())
    for start in range(0, len(inputs), count):
        rows = slice(start, min(start + count, len(inputs)))
        size = (rows.stop - start) * weight.numel()
        words = torch.empty(-(-size // 4), dtype=torch.int64, device=inputs.device)
        words.random_(-(1 << 63), None, generator=generator)
        uniform = words.view(torch.int16)[:size].view(-1, *weight.shape)
        yield rows, uniform <= kept - 32769


def expectation(activation: nn.Module, mean: Tensor, std: Tensor) -> Tensor:
    """E a(u), u ~ N(mean, std^2)."""
    match activation:
        case nn.ReLU():
            return expected_relu(mean, std)
        case nn.LeakyReLU(negative_slope=slope):
            return slope * mean + (1 - slope) * expected_relu(mean, std)
        case _:
            total = torch.zeros_like(mean)
            for node, weight in zip(NODES.tolist(), (WEIGHTS / sqrt(2 * pi)).tolist(), strict=True):
                total += weight * activation(mean + node * std)
            return total


def expected_relu(mean: Tensor, std: Tensor) -> Tensor:
    """mean Phi(z) + std phi(z), z = mean / std."""
    z = mean / std
    density = torch.exp(-z.square() / 2) / sqrt(2 * pi)
    below: Tensor = torch.special.ndtr(z)
    return mean * below + std * density
