"""Adds noise to inputs."""

import torch
from torch import Generator, Tensor


def input_noise(inputs: Tensor, generator: Generator, *, std: float) -> Tensor:
    """Returns x + N(0, std^2)."""
    noise = torch.randn(inputs.numel(), generator=generator, device=inputs.device)
    # In the memory order of the inputs, which are channels-last for convolutions.
    return inputs.add(noise.as_strided(inputs.shape, torch.empty_like(inputs).stride()), alpha=std)
