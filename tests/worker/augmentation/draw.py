"""Generators and images for the tests of augmentation."""

import torch
from torch import Generator, Tensor


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def pictures(*shape: int, seed: int = 0) -> Tensor:
    """Images of 256 levels between 0 and 1."""
    return torch.randint(0, 256, shape, generator=generator(seed)) / 255
