"""Defines layers of dropout and noise that torch does not have.

All of these layers draw from torch's default generator, which the training loop seeds at every step.
"""

from collections.abc import Iterator
from math import pi, sqrt
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional


class VanillaDropout(nn.Module):
    """Computes m x in training with m ~ Bernoulli(1 - rate), and (1 - rate) x in evaluation. arXiv 1207.0580."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            return inputs * (1 - self.rate)
        return inputs * torch.empty_like(inputs).bernoulli_(1 - self.rate)


class GaussianDropout(nn.Module):
    """Computes x r in training with r ~ N(1, rate / (1 - rate)), x in evaluation. Srivastava et al. 2014, JMLR 15."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.std = sqrt(rate / (1 - rate))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + inputs * (self.std * torch.randn_like(inputs)) if self.training else inputs


class Uout(nn.Module):
    """Computes x (1 + r) in training with r ~ U(-beta, beta), x in evaluation. arXiv 1801.05134, equation 15."""

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            return inputs
        return inputs + inputs * torch.empty_like(inputs).uniform_(-self.beta, self.beta)


class GaussianNoise(nn.Module):
    """Computes x + N(0, std^2) in training, x in evaluation. Poole et al. 2014, arXiv 1406.1831."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + self.std * torch.randn_like(inputs) if self.training else inputs


class DropConnect(nn.Linear):
    """Computes a(u) with u = ((m W) x + m b) / (1 - rate) and a mask m for each sample; in evaluation, the mean of a(u)
    for normal u of the same mean and variance. Wan et al. 2013, ICML."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        rate: float,
        activation: nn.Module | None,
        mask_numbers: int,
        bias: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, bias=bias)
        self.kept = kept_of_65536(rate)
        self.rate = 1 - self.kept / 65536
        self.activation = activation
        self.mask_numbers = mask_numbers

    def forward(self, inputs: Tensor) -> Tensor:
        if self.rate == 0:
            return self.activated(super().forward(inputs))
        # With a mask for each sample there is no plain matrix product, which 16 bits would speed up.
        with torch.autocast(inputs.device.type, enabled=False):
            inputs = inputs.to(self.weight.dtype)
            return self.activated(self.masked(inputs)) if self.training else self.expected(inputs)

    def activated(self, outputs: Tensor) -> Tensor:
        """Applies the activation a, if there is one."""
        if self.activation is None:
            return outputs
        activated: Tensor = self.activation(outputs)
        return activated

    def with_bias(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Returns inputs and weights, with the bias as the weight of an input that is always 1."""
        if self.bias is None:
            return inputs, self.weight
        return functional.pad(inputs, (0, 1), value=1.0), torch.cat((self.weight, self.bias[:, None]), 1)

    def masked(self, inputs: Tensor) -> Tensor:
        """Computes u with new masks."""
        settings = self.kept, self.mask_numbers
        outputs: Tensor = MaskedProduct.apply(*self.with_bias(inputs), *settings)  # type: ignore[no-untyped-call]
        return outputs

    def expected(self, inputs: Tensor) -> Tensor:
        """Computes the mean of a(u) over masks."""
        mean = super().forward(inputs)
        if self.activation is None:
            return mean
        inputs, weight = self.with_bias(inputs)
        variance = functional.linear(inputs.square(), weight.square()) * (self.rate / (1 - self.rate))
        return expectation(self.activation, mean, variance.clamp(min=torch.finfo(mean.dtype).tiny).sqrt())


class MaskedProduct(torch.autograd.Function):
    """Computes y_n = (M_n W) x_n / keep with M_n ~ Bernoulli(keep), where keep is kept / 65536. The backward pass draws
    the same masks again from the generator's old state, to save the memory of a mask per sample."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, kept: int, mask_numbers: int) -> Tensor:
        ctx.state = torch.cuda.get_rng_state(inputs.device) if inputs.is_cuda else torch.get_rng_state()
        ctx.kept = kept
        ctx.mask_numbers = mask_numbers
        ctx.save_for_backward(inputs, weight)
        products = [
            torch.bmm(mask * weight, inputs[rows, :, None]).squeeze(2)
            for rows, mask in masks(inputs, weight, kept, mask_numbers)
        ]
        outputs: Tensor = torch.cat(products) * (65536 / kept)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        inputs, weight = ctx.saved_tensors
        generator = Generator(inputs.device)
        generator.set_state(ctx.state)
        of_outputs = gradients[0] * (65536 / ctx.kept)
        of_inputs = torch.empty_like(inputs)
        of_weight = torch.zeros_like(weight)
        for rows, mask in masks(inputs, weight, ctx.kept, ctx.mask_numbers, generator):
            masked = mask * of_outputs[rows, :, None]
            of_inputs[rows] = (masked * weight).sum(1)
            of_weight += masked.mul_(inputs[rows, None, :]).sum(0)
        return of_inputs, of_weight, None, None


def kept_of_65536(rate: float) -> int:
    """Returns how many of the 65,536 values of a 16-bit random number keep a weight. At least one value drops it if the
    rate is above 0, and at least one always keeps it. Such masks are drawn 8 times as fast as torch's."""
    if rate == 0:
        return 65536
    return min(max(1, round((1 - rate) * 65536)), 65535)


def masks(
    inputs: Tensor, weight: Tensor, kept: int, mask_numbers: int, generator: Generator | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Yields slices of the samples, each as large as `mask_numbers` allows, and the masks for them."""
    count = max(1, mask_numbers // weight.numel())
    for start in range(0, len(inputs), count):
        rows = slice(start, min(start + count, len(inputs)))
        size = (rows.stop - start) * weight.numel()
        words = torch.empty(-(-size // 4), dtype=torch.int64, device=inputs.device)
        words.random_(-(1 << 63), None, generator=generator)
        uniform = words.view(torch.int16)[:size].view(-1, *weight.shape)
        yield rows, uniform <= kept - 32769


# The positive nodes of numpy.polynomial.hermite_e.hermegauss(32); the others are their negatives.
HALF_NODES = (
    0.27554641923027584, 0.8272849037797652, 1.3809801992721442, 1.9380049059257174, 2.4998404151873954,
    3.0681351690131216, 3.644781249880833, 4.23202110999541, 4.832604613244489, 5.450033273623428, 6.088964309076987,
    6.755930830540705, 7.460755754121519, 8.219728765382245, 9.064399210702405, 10.077422674229465,
)  # fmt: skip
HALF_WEIGHTS = (
    0.21170556988047928, 0.1565389937575985, 0.08534480827208074, 0.03410984772609207, 0.009903461702320593,
    0.0020620510513078808, 0.00030255702581706285, 3.0559803060896336e-05, 2.0596221039534275e-06,
    8.88129071310589e-08, 2.3125184120742393e-09, 3.347501239801196e-11, 2.3780648557778086e-13,
    6.755290223670204e-16, 5.208449591960913e-19, 4.1246074890182835e-23,
)  # fmt: skip
"""Weights of the positive nodes, divided by sqrt(2 pi) so that all 32 weights sum to 1."""


def expectation(activation: nn.Module, mean: Tensor, std: Tensor) -> Tensor:
    """Returns E a(u) for u ~ N(mean, std^2): exactly for relu and leaky relu, else by Gauss-Hermite quadrature."""
    match activation:
        case nn.ReLU():
            return expected_relu(mean, std)
        case nn.LeakyReLU(negative_slope=slope):
            return slope * mean + (1 - slope) * expected_relu(mean, std)
        case _:
            nodes = (*(-node for node in HALF_NODES[::-1]), *HALF_NODES)
            weights = (*HALF_WEIGHTS[::-1], *HALF_WEIGHTS)
            total = torch.zeros_like(mean)
            for node, weight in zip(nodes, weights, strict=True):
                total += weight * activation(mean + node * std)
            return total


def expected_relu(mean: Tensor, std: Tensor) -> Tensor:
    """Returns mean Phi(z) + std phi(z) for z = mean / std."""
    z = mean / std
    density = torch.exp(-z.square() / 2) / sqrt(2 * pi)
    below: Tensor = torch.special.ndtr(z)
    return mean * below + std * density
