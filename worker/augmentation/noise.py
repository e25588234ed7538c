"""Adds noise to inputs."""

import torch
from torch import Generator, Tensor


def input_noise(inputs: Tensor, generator: Generator, *, std: float) -> Tensor:
    """Returns x + N(0, std^2)."""
    return inputs + std * torch.randn(inputs.shape, generator=generator, device=inputs.device)
