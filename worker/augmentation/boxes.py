"""Draws random boxes, which are centred on random pixels and cut off at the edge of the image."""

import torch
from torch import Generator, Tensor

from worker.augmentation.draws import random_integers


def box_masks(heights: Tensor, widths: Tensor, sides: tuple[int, int], generator: Generator) -> Tensor:
    """Returns masks (N, 1, H, W) that are true inside each sample's random box."""
    rows = interval_masks(heights, sides[0], generator)
    columns = interval_masks(widths, sides[1], generator)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def interval_masks(sizes: Tensor, side: int, generator: Generator) -> Tensor:
    """Returns masks (N, side) that are true for `sizes` pixels around a random pixel."""
    start = random_integers(len(sizes), 0, side - 1, generator) - sizes // 2
    pixels = torch.arange(side, device=sizes.device)
    return (pixels >= start[:, None]) & (pixels < (start + sizes)[:, None])


def cutout(inputs: Tensor, generator: Generator, *, size: int) -> Tensor:
    """Sets a random square of each sample to 0. DeVries and Taylor 2017, arXiv 1708.04552."""
    sizes = torch.full((len(inputs),), size, device=inputs.device)
    height, width = inputs.shape[2:]
    return inputs.masked_fill(box_masks(sizes, sizes, (height, width), generator), 0.0)
