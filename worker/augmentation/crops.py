"""Windows of the old size."""

from math import log

import torch
from torch import Generator, Tensor
from torch.nn import functional

from worker.augmentation.draws import random_integers, uniform
from worker.augmentation.geometry import warp, with_shift

ATTEMPTS = 10


def random_crop(images: Tensor, generator: Generator, *, padding: int, black: float) -> Tensor:
    """Windows of the old size out of (N, C, H, W) padded with black, each sample's at a place of its own."""
    count, _, height, width = images.shape
    padded = functional.pad(images, (padding,) * 4, value=black)
    top, left = torch.randint(0, 2 * padding + 1, (2, count), generator=generator, device=images.device)
    rows = top[:, None, None] + torch.arange(height, device=images.device)[:, None]
    columns = left[:, None, None] + torch.arange(width, device=images.device)
    samples = torch.arange(count, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[samples, rows, columns].permute(0, 3, 1, 2)


def scale_crop(images: Tensor, generator: Generator, *, low: int, high: int) -> Tensor:
    """Windows out of images resized so that the shorter side has from `low` to `high` pixels."""
    count, _, *sides = images.shape
    length = random_integers(count, low, high, generator)[:, None]
    old = torch.tensor(sides, device=images.device)
    new = length * old // min(sides)
    place = (torch.rand(count, 2, generator=generator, device=images.device) * (new - old + 1)).floor()
    # Resizing and cutting in one: bilinear enlargement needs no other pixels.
    return boxes_resized(images, start=place * old / new, size=old * old / new)


def random_resized_crop(
    images: Tensor, generator: Generator, *, area: tuple[float, float], aspect: tuple[float, float]
) -> Tensor:
    """Boxes of random area and aspect, resized to the old size."""
    count, _, *sides = images.shape
    size = box_sizes(count, sides, generator, area=area, aspect=aspect)
    room = torch.tensor(sides, device=images.device) - size
    start = (torch.rand(count, 2, generator=generator, device=images.device) * (room + 1)).floor()
    return boxes_resized(images, start=start, size=size)


def box_sizes(
    count: int, sides: list[int], generator: Generator, *, area: tuple[float, float], aspect: tuple[float, float]
) -> Tensor:
    """(N, 2) heights and widths in pixels: the first of ten draws that fits; the last, cut down, if none does."""
    tries = count * ATTEMPTS
    pixels = uniform(tries, *area, generator) * sides[0] * sides[1]
    ratio = uniform(tries, log(aspect[0]), log(aspect[1]), generator).exp()
    drawn = torch.stack(((pixels / ratio).sqrt(), (pixels * ratio).sqrt()), 1).round().view(ATTEMPTS, count, 2)
    most = torch.tensor(sides, device=drawn.device)
    fits = ((drawn >= 1) & (drawn <= most)).all(2)
    fits[-1] = True
    first = fits.int().argmax(0)
    found = drawn[first, torch.arange(count, device=drawn.device)]
    return found.clamp(min=torch.ones_like(most), max=most)


def boxes_resized(images: Tensor, *, start: Tensor, size: Tensor) -> Tensor:
    """Boxes at `start` (N, 2: row and column) of `size`, at the images' own size; at the edge its pixels go on."""
    old = torch.tensor(images.shape[2:], device=images.device)
    step = (size / old).flip(1)
    centre = (start + size / 2 - old / 2).flip(1)
    return warp(images, with_shift(torch.diag_embed(step), -centre / step), black=None)
