"""RandAugment and TrivialAugment: a change for each sample, drawn from fourteen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from worker.augmentation import color, geometry
from worker.augmentation.draws import random_integers

MOST = 30
"""Magnitudes are from 0 to 30."""

Space = Literal["wide", "rand_augment"]


@dataclass(frozen=True, slots=True)
class Change:
    """A change and its numbers at no magnitude and at full; the way between is walked in both directions if signed."""

    apply: Callable[[Tensor, Tensor], Tensor]
    start: float = 0.0
    end: float = 0.0
    signed: bool = False

    def numbers(self, magnitude: Tensor, sign: Tensor) -> Tensor:
        """For magnitudes from 0 to 1 and signs, (N,)."""
        return self.start + (self.end - self.start) * magnitude * (sign if self.signed else 1)


def rand_augment(
    images: Tensor, generator: Generator, *, num_ops: int, magnitude: int, changes: tuple[Change, ...]
) -> Tensor:
    """Images between 0 and 1 after some changes of one magnitude."""
    magnitudes = torch.full((len(images),), magnitude / MOST, device=images.device)
    for _ in range(num_ops):
        images = changed(images, generator, magnitudes=magnitudes, changes=changes)
    return images


def trivial_augment(images: Tensor, generator: Generator, *, changes: tuple[Change, ...]) -> Tensor:
    """Images between 0 and 1 after one change of any magnitude."""
    magnitudes = random_integers(len(images), 0, MOST, generator) / MOST
    return changed(images, generator, magnitudes=magnitudes, changes=changes)


def changed(images: Tensor, generator: Generator, *, magnitudes: Tensor, changes: tuple[Change, ...]) -> Tensor:
    """Each sample by a change of its own; those with the same are computed together."""
    choice = random_integers(len(images), 0, len(changes) - 1, generator)
    sign = 2 * random_integers(len(images), 0, 1, generator) - 1
    order = choice.argsort(stable=True)
    groups = torch.split(order, choice.bincount(minlength=len(changes)).tolist())
    parts = [
        change.apply(images[rows], change.numbers(magnitudes[rows], sign[rows]))
        for change, rows in zip(changes, groups, strict=True)
        if len(rows)
    ]
    return torch.cat(parts)[order.argsort()]


def changes(space: Space, shape: tuple[int, ...]) -> tuple[Change, ...]:
    """The fourteen with the ranges of Cubuk et al. 2020 or the wide ones of Müller & Hutter 2021."""
    wide = space == "wide"
    # The wide shift is 32 pixels, whatever the image's size.
    across, down = ((min(1.0, 32 / side) if wide else 150 / 331) for side in (shape[2], shape[1]))
    factor, slope, degrees, bits = (1.99, 0.99, 135.0, 2.0) if wide else (1.9, 0.3, 30.0, 4.0)
    return (
        Change(lambda images, _: images),
        Change(color.autocontrast),
        Change(color.equalize),
        Change(geometry.rotate, 0.0, degrees, signed=True),
        # At no magnitude above the lightest of 256 levels.
        Change(color.solarize, 256 / 255, 0.0),
        *([Change(color.adjust_saturation, 1.0, factor, signed=True)] if shape[0] == 3 else []),
        Change(color.posterize, 8.0, bits),
        Change(color.adjust_contrast, 1.0, factor, signed=True),
        Change(color.adjust_brightness, 1.0, factor, signed=True),
        Change(color.adjust_sharpness, 1.0, factor, signed=True),
        Change(geometry.shear_x, 0.0, slope, signed=True),
        Change(geometry.shear_y, 0.0, slope, signed=True),
        Change(geometry.translate_x, 0.0, across, signed=True),
        Change(geometry.translate_y, 0.0, down, signed=True),
    )
