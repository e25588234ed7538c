"""Cuts random windows out of images, and returns them at the size of the image."""

from math import log

import torch
from torch import Generator, Tensor
from torch.nn import functional

from worker.augmentation.constants import sides_on
from worker.augmentation.draws import random_integers, uniform
from worker.augmentation.geometry import warp, with_shift

# torchvision's RandomResizedCrop draws ten times too.
ATTEMPTS = 10


def random_crop(images: Tensor, generator: Generator, *, padding: int, black: float) -> Tensor:
    """Pads images (N, C, H, W) with black and cuts out a random window of the original size for each sample."""
    count, _, height, width = images.shape
    padded = functional.pad(images, (padding,) * 4, value=black)
    top, left = torch.randint(0, 2 * padding + 1, (2, count), generator=generator, device=images.device)
    rows = top[:, None, None] + torch.arange(height, device=images.device)[:, None]
    columns = left[:, None, None] + torch.arange(width, device=images.device)
    samples = torch.arange(count, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[samples, rows, columns].permute(0, 3, 1, 2)


def scale_crop(images: Tensor, generator: Generator, *, low: int, high: int) -> Tensor:
    """Enlarges images to a shorter side of `low` to `high` pixels, and cuts out a random window of the old size."""
    count, _, *sides = images.shape
    length = random_integers(count, low, high, generator)[:, None]
    old = sides_on(images.device, sides)
    new = length * old // min(sides)
    # `torch.randint` takes one limit for all samples, but each sample has its own.
    corner = (torch.rand(count, 2, generator=generator, device=images.device) * (new - old + 1)).floor()
    # Enlarging and cutting are one step, because bilinear enlargement needs only pixels near the window.
    return resize_boxes(images, start=corner * old / new, size=old * old / new)


def random_resized_crop(
    images: Tensor, generator: Generator, *, area: tuple[float, float], aspect: tuple[float, float]
) -> Tensor:
    """Cuts out a box of random area and aspect ratio, and resizes it to the size of the image."""
    count, _, *sides = images.shape
    size = draw_box_sizes(count, sides, generator, area=area, aspect=aspect)
    room = sides_on(images.device, sides) - size
    start = (torch.rand(count, 2, generator=generator, device=images.device) * (room + 1)).floor()
    return resize_boxes(images, start=start, size=size)


def draw_box_sizes(
    count: int, sides: list[int], generator: Generator, *, area: tuple[float, float], aspect: tuple[float, float]
) -> Tensor:
    """Draws heights and widths (N, 2) in pixels: the first of ten draws that fits, or else the last draw, cut to
    fit."""
    # All tries are drawn at once, because a loop until each sample fits would wait for the device.
    tries = count * ATTEMPTS
    pixels = uniform(tries, *area, generator) * sides[0] * sides[1]
    ratio = uniform(tries, log(aspect[0]), log(aspect[1]), generator).exp()
    drawn = torch.stack(((pixels / ratio).sqrt(), (pixels * ratio).sqrt()), 1).round().view(ATTEMPTS, count, 2)
    largest = sides_on(drawn.device, sides)
    fits = ((drawn >= 1) & (drawn <= largest)).all(2)
    # The last draw counts as one that fits, so that `argmax` finds it if no other does.
    fits[-1] = True
    first = fits.int().argmax(0)
    chosen = drawn[first, torch.arange(count, device=drawn.device)]
    return chosen.clamp(min=torch.ones_like(largest), max=largest)


def resize_boxes(images: Tensor, *, start: Tensor, size: Tensor) -> Tensor:
    """Resizes the boxes at `start` (N, 2: row and column) to the size of the images; edge pixels are repeated."""
    old = sides_on(images.device, images.shape[2:])
    step = (size / old).flip(1)
    centre = (start + size / 2 - old / 2).flip(1)
    return warp(images, with_shift(torch.diag_embed(step), -centre / step), black=None)
