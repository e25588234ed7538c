"""Cuts windows of one size out of photographs of any size."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Generator, Tensor

from bakehouse.data.photographs import Photographs
from bakehouse.data.scaling import Array, resize, size_at
from worker.augmentation.crops import draw_box_sizes
from worker.augmentation.draws import random_integers


def scale_photographs(
    rows: Tensor, generator: Generator, *, photographs: Photographs, low: int, high: int, side: int
) -> Tensor:
    """Resizes photographs to a shorter side of `low` to `high` pixels, and cuts out a random window. `rows` are their
    places."""
    lengths = random_integers(len(rows), low, high, generator).tolist()
    # `torch.randint` takes one limit for all samples, but each sample has its own.
    corners = torch.rand(len(rows), 2, generator=generator, device=generator.device).tolist()

    def windows() -> Iterator[Array]:
        for row, length, corner in zip(rows.tolist(), lengths, corners, strict=True):
            pixels = photographs.pixels(row)
            resized = resize(pixels, size_at((pixels.shape[0], pixels.shape[1]), int(length)))
            top, left = (int(share * (extent - side + 1)) for share, extent in zip(corner, resized.shape, strict=False))
            yield resized[top : top + side, left : left + side]

    return stack(windows(), rows.device)


def crop_photographs(
    rows: Tensor,
    generator: Generator,
    *,
    photographs: Photographs,
    area: tuple[float, float],
    aspect: tuple[float, float],
    side: int,
) -> Tensor:
    """Cuts a box of random area, aspect ratio and position out of photographs, and resizes it to the window. `rows` are
    their places."""

    def windows() -> Iterator[Array]:
        for row in rows.tolist():
            pixels = photographs.pixels(row)
            sides = [pixels.shape[0], pixels.shape[1]]
            [size] = draw_box_sizes(1, sides, generator, area=area, aspect=aspect).int().tolist()
            corner = torch.rand(2, generator=generator, device=generator.device).tolist()
            top, left = (
                int(share * (extent - length + 1)) for share, extent, length in zip(corner, sides, size, strict=True)
            )
            yield resize(pixels[top : top + size[0], left : left + size[1]], (side, side))

    return stack(windows(), rows.device)


def stack(windows: Iterator[Array], device: torch.device) -> Tensor:
    """Returns windows (height, width, channels) as images (N, C, H, W)."""
    return torch.from_numpy(np.stack([window.transpose(2, 0, 1) for window in windows])).to(device)
