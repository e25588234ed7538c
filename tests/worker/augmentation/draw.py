"""Generators and images for the tests of augmentation."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from worker.augmentation.geometry import Sides, warp


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def pictures(*shape: int, seed: int = 0) -> Tensor:
    """Images of 256 levels between 0 and 1."""
    return torch.randint(0, 256, shape, generator=generator(seed)) / 255


def moved(images: Tensor, sources: Callable[[Tensor, Sides], Tensor], amounts: Tensor) -> Tensor:
    """Images under the motions of a function from parameters to matrices."""
    return warp(images, sources(amounts, images.shape[2:]), black=0.0)
