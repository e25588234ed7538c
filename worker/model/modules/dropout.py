"""Defines layers of dropout and noise. Torch has some of them too, but draws masks and noise slowly on a CPU.

All of these layers draw from torch's default generator, which the training loop seeds at every step.
"""

from collections.abc import Iterable, Iterator
from math import pi, sqrt
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional


class Dropout(nn.Module):
    """Computes m x / keep in training with m ~ Bernoulli(keep), x in evaluation. Srivastava et al. 2014, JMLR 15.

    Here and below, keep is 1 - rate to the nearest 1/65536.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.kept = kept_of_65536(rate)

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            return inputs
        if inputs.is_cuda:
            # On a GPU, torch draws and multiplies in one kernel.
            return functional.dropout(inputs, 1 - self.kept / 65536)
        return inputs * random_mask(inputs, self.kept).to(inputs.dtype).mul_(65536 / self.kept)


class VanillaDropout(nn.Module):
    """Computes m x in training with m ~ Bernoulli(keep), and keep x in evaluation. arXiv 1207.0580."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.kept = kept_of_65536(rate)

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            return inputs * (self.kept / 65536)
        return inputs * random_mask(inputs, self.kept).to(inputs.dtype)


class SpatialDropout(nn.Module):
    """Computes m x / keep in training with one m ~ Bernoulli(keep) for each channel of each sample, x in evaluation.
    Tompson et al. 2015, arXiv 1411.4280."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.kept = kept_of_65536(rate)

    def forward(self, maps: Tensor) -> Tensor:
        if not self.training:
            return maps
        return maps * random_mask(maps[:, :, :1, :1], self.kept).to(maps.dtype).mul_(65536 / self.kept)


class GaussianDropout(nn.Module):
    """Computes x r in training with r ~ N(1, rate / (1 - rate)), x in evaluation. Srivastava et al. 2014, JMLR 15."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.std = sqrt(rate / (1 - rate))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * normal_like(inputs).mul_(self.std).add_(1) if self.training else inputs


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
        return inputs.add(normal_like(inputs), alpha=self.std) if self.training else inputs


def random_mask(like: Tensor, kept: int, generator: Generator | None = None) -> Tensor:
    """Draws a boolean for each element of a tensor, in its memory order: true with probability kept / 65536.

    On a CPU each takes 16 random bits, which is 9 times as fast as torch's `bernoulli_`.
    """
    if like.is_cuda or torch.compiler.is_compiling():
        # A GPU draws all numbers at once, and a compiler cannot trace `random_`.
        return torch.empty_like(like, dtype=torch.bool).bernoulli_(kept / 65536, generator=generator)
    words = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device)
    words.random_(-(1 << 63), None, generator=generator)
    return in_order_of(like, words.view(torch.int16)[: like.numel()]) <= kept - 32769


def normal_like(like: Tensor, generator: Generator | None = None) -> Tensor:
    """Draws from N(0, 1) for each element of a tensor, in its memory order. On channels-last maps, torch's `randn_like`
    takes 8 times as long."""
    numbers = torch.randn(like.numel(), dtype=like.dtype, device=like.device, generator=generator)
    return in_order_of(like, numbers)


def in_order_of(like: Tensor, numbers: Tensor) -> Tensor:
    """Gives a flat tensor the shape and memory order of another one."""
    # A tensor that was expanded has strides of 0; those of `empty_like` reach each element once.
    return numbers.as_strided(like.shape, torch.empty_like(like).stride())


def kept_of_65536(rate: float) -> int:
    """Returns how many of the 65,536 values of a 16-bit random number keep an element. At least one value drops it if
    the rate is above 0, and at least one always keeps it."""
    if rate == 0:
        return 65536
    return min(max(1, round((1 - rate) * 65536)), 65535)


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
        kept_masks: int,
        bias: bool = True,
    ) -> None:
        super().__init__(inputs, outputs, bias=bias)
        self.kept = kept_of_65536(rate)
        self.rate = 1 - self.kept / 65536
        self.activation = activation
        self.mask_numbers = mask_numbers
        self.kept_masks = kept_masks

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
        settings = self.kept, self.mask_numbers, self.kept_masks
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
    """Computes y_n = (M_n W) x_n / keep with M_n ~ Bernoulli(keep), where keep is kept / 65536. Few masks are kept for
    the backward pass, as booleans; for many, it draws the same masks again from the generator's old state."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, kept: int, mask_numbers: int, kept_masks: int) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.kept = kept
        ctx.mask_numbers = mask_numbers
        ctx.state = torch.cuda.get_rng_state(inputs.device) if inputs.is_cuda else torch.get_rng_state()
        drawn: Masks = masks(inputs, weight, kept, mask_numbers)
        ctx.masks = None
        if len(inputs) * weight.numel() <= kept_masks:
            drawn = ctx.masks = list(drawn)
        # On a CPU, a row times a matrix takes half the time of a matrix times a column.
        products = [
            torch.bmm(inputs[rows, None, :], mask.to(weight.dtype).mul_(weight).mT).squeeze(1) for rows, mask in drawn
        ]
        outputs: Tensor = torch.cat(products) * (65536 / kept)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        inputs, weight = ctx.saved_tensors
        drawn: Masks = ctx.masks
        if drawn is None:
            generator = Generator(inputs.device)
            generator.set_state(ctx.state)
            drawn = masks(inputs, weight, ctx.kept, ctx.mask_numbers, generator)
        of_outputs = gradients[0] * (65536 / ctx.kept)
        of_inputs = torch.empty_like(inputs)
        of_weight = torch.zeros_like(weight)
        for rows, mask in drawn:
            masked = mask.to(weight.dtype).mul_(of_outputs[rows, :, None])
            of_inputs[rows] = (masked * weight).sum(1)
            of_weight += masked.mul_(inputs[rows, None, :]).sum(0)
        return of_inputs, of_weight, None, None, None


Masks = Iterable[tuple[slice, Tensor]]
"""Slices of the samples, and the masks for each of them: booleans with the shape of the weights for each sample."""


def masks(
    inputs: Tensor, weight: Tensor, kept: int, mask_numbers: int, generator: Generator | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Draws masks for slices of the samples, each as large as `mask_numbers` allows."""
    count = max(1, mask_numbers // weight.numel())
    for start in range(0, len(inputs), count):
        rows = slice(start, min(start + count, len(inputs)))
        yield rows, random_mask(weight.expand(rows.stop - start, *weight.shape), kept, generator)


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
