"""Augments images by RandAugment and TrivialAugment, which apply a random one of fourteen changes to each sample."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from worker.augmentation import color
from worker.augmentation.draws import random_integers
from worker.augmentation.geometry import Sides, rotation, shear_x, shear_y, translation_x, translation_y, warp

MAX_MAGNITUDE = 30
"""Largest magnitude; the smallest is 0, and all are whole numbers."""

Space = Literal["wide", "rand_augment"]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of images, with its parameter at magnitude 0 (`start`) and at the full magnitude (`end`).

    If the change is signed, the parameter moves from `start` in a random direction.
    """

    apply: Callable[[Tensor, Tensor], Tensor]
    start: float = 0.0
    end: float = 0.0
    signed: bool = False

    def numbers(self, magnitude: Tensor, sign: Tensor) -> Tensor:
        """Returns the parameters (N,) for magnitudes between 0 and 1, and signs."""
        return self.start + (self.end - self.start) * magnitude * (sign if self.signed else 1)


@dataclass(frozen=True, slots=True)
class Motion:
    """A change of geometry by the matrices of `warp`, with its parameter at the full magnitude; at magnitude 0 it is 0.
    Pixels from outside the image are 0."""

    sources: Callable[[Tensor, Sides], Tensor]
    end: float

    def numbers(self, magnitude: Tensor, sign: Tensor) -> Tensor:
        """Returns the parameters (N,) for magnitudes between 0 and 1, and signs."""
        return self.end * magnitude * sign


Changes = tuple[Change | Motion, ...]


def rand_augment(images: Tensor, generator: Generator, *, num_ops: int, magnitude: int, changes: Changes) -> Tensor:
    """Applies `num_ops` changes of one magnitude to images between 0 and 1. Cubuk et al. 2020, arXiv 1909.13719."""
    magnitudes = torch.full((len(images),), magnitude / MAX_MAGNITUDE, device=images.device)
    for _ in range(num_ops):
        images = apply_changes(images, generator, magnitudes=magnitudes, changes=changes)
    return images


def trivial_augment(images: Tensor, generator: Generator, *, changes: Changes) -> Tensor:
    """Applies one change of a random magnitude to images between 0 and 1. Müller and Hutter 2021, arXiv 2103.10158."""
    magnitudes = random_integers(len(images), 0, MAX_MAGNITUDE, generator) / MAX_MAGNITUDE
    return apply_changes(images, generator, magnitudes=magnitudes, changes=changes)


def apply_changes(images: Tensor, generator: Generator, *, magnitudes: Tensor, changes: Changes) -> Tensor:
    """Applies a random change to each sample. Samples with the same change are computed together, and all motions in
    one interpolation."""
    choice = random_integers(len(images), 0, len(changes) - 1, generator)
    sign = 2 * random_integers(len(images), 0, 1, generator) - 1
    groups = torch.split(choice.argsort(stable=True), choice.bincount(minlength=len(changes)).tolist())
    drawn = [
        (change, rows, change.numbers(magnitudes[rows], sign[rows]))
        for change, rows in zip(changes, groups, strict=True)
        if len(rows)
    ]
    changed = [
        (rows, change.apply(images[rows], numbers)) for change, rows, numbers in drawn if isinstance(change, Change)
    ]
    motions = [
        (rows, change.sources(numbers, images.shape[2:]))
        for change, rows, numbers in drawn
        if isinstance(change, Motion)
    ]
    if motions:
        moved, sources = map(torch.cat, zip(*motions, strict=True))
        changed.append((moved, warp(images[moved], sources, black=0.0)))
    order, parts = map(torch.cat, zip(*changed, strict=True))
    # The `argsort` of a permutation is its inverse, so this restores the order of the batch.
    return parts[order.argsort()]


def changes(space: Space, shape: tuple[int, ...]) -> Changes:
    """Returns the fourteen changes with the ranges of Cubuk et al. 2020, or the wide ones of Müller and Hutter 2021.

    Images without three channels have no change of saturation.
    """
    wide = space == "wide"
    # The wide range shifts by 32 pixels, whatever the size of the image.
    # The other range is that of AutoAugment: up to 150 pixels in images with 331.
    across = min(1.0, 32 / shape[2]) if wide else 150 / 331
    down = min(1.0, 32 / shape[1]) if wide else 150 / 331
    factor, slope, degrees, bits = (1.99, 0.99, 135.0, 2.0) if wide else (1.9, 0.3, 30.0, 4.0)
    return (
        Change(lambda images, _: images),
        Change(color.autocontrast),
        Change(color.equalize),
        Motion(rotation, degrees),
        # Magnitude 0 is above the lightest of 256 levels, so that nothing is inverted.
        Change(color.solarize, 256 / 255, 0.0),
        *([Change(color.adjust_saturation, 1.0, factor, signed=True)] if shape[0] == 3 else []),
        Change(color.posterize, 8.0, bits),
        Change(color.adjust_contrast, 1.0, factor, signed=True),
        Change(color.adjust_brightness, 1.0, factor, signed=True),
        Change(color.adjust_sharpness, 1.0, factor, signed=True),
        Motion(shear_x, slope),
        Motion(shear_y, slope),
        Motion(translation_x, across),
        Motion(translation_y, down),
    )
