"""Draws a random number for each sample of a batch, from the generator of the step."""

import torch
from torch import Generator, Tensor


def uniform(count: int, low: float, high: float, generator: Generator) -> Tensor:
    """Draws a number between `low` and `high` for each sample."""
    return low + (high - low) * torch.rand(count, generator=generator, device=generator.device)


def random_integers(count: int, low: int, high: int, generator: Generator) -> Tensor:
    """Draws a whole number from `low` to `high`, both included, for each sample."""
    return torch.randint(low, high + 1, (count,), generator=generator, device=generator.device)


def bernoulli(count: int, probability: float, generator: Generator) -> Tensor:
    """Draws a boolean for each sample, which is true with this probability."""
    return torch.rand(count, generator=generator, device=generator.device) < probability


def beta(count: int, alpha: float, generator: Generator) -> Tensor:
    """Draws a number from Beta(alpha, alpha) for each sample."""
    # float64 is needed, because for alpha near 0 both underlying gamma variables often underflow in float32.
    parameters = torch.full((count, 2), alpha, dtype=torch.float64, device=generator.device)
    # The distributions in torch.distributions take no generator.
    return torch._sample_dirichlet(parameters, generator)[:, 0].float()  # noqa: SLF001
