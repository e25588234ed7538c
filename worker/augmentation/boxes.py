"""Boxes about random pixels, of which what is outside the image is cut off."""

import torch
from torch import Generator, Tensor

from worker.augmentation.draws import random_integers


def boxes(heights: Tensor, widths: Tensor, sides: tuple[int, int], generator: Generator) -> Tensor:
    """(N, 1, H, W), true in the sample's box."""
    rows, columns = (
        interval_masks(sizes, side, generator) for sizes, side in zip((heights, widths), sides, strict=True)
    )
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def interval_masks(sizes: Tensor, side: int, generator: Generator) -> Tensor:
    """(N, side), true in `sizes` pixels about a random one."""
    start = random_integers(len(sizes), 0, side - 1, generator) - sizes // 2
    places = torch.arange(side, device=sizes.device)
    return (places >= start[:, None]) & (places < (start + sizes)[:, None])


def cutout(inputs: Tensor, generator: Generator, *, size: int) -> Tensor:
    """0 in a square."""
    sizes = torch.full((len(inputs),), size, device=inputs.device)
    height, width = inputs.shape[2:]
    return inputs.masked_fill(boxes(sizes, sizes, (height, width), generator), 0.0)
