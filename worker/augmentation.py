"""Augmentation in torch: on whole batches, on the device, drawn from the step's generator."""

from collections.abc import Iterator
from functools import partial
from typing import assert_never

import torch
from torch import Generator, Tensor
from torch.nn import functional

from bakehouse.recipe.augmentation import AnyAugmentation, HorizontalFlip, InputNoise, RandomCrop
from worker.types import Transform


def before_normalization(augmentation: tuple[AnyAugmentation, ...]) -> Iterator[Transform]:
    """Those that work on inputs in stored units, where 0 is black."""
    for spec in augmentation:
        match spec:
            case RandomCrop():
                yield partial(random_crop, padding=spec.padding or 1)
            case HorizontalFlip():
                yield partial(horizontal_flip, probability=spec.probability)
            case InputNoise():
                pass
            case _:
                assert_never(spec)


def after_normalization(augmentation: tuple[AnyAugmentation, ...]) -> Iterator[Transform]:
    """Those whose unit is the normalised input's."""
    for spec in augmentation:
        if isinstance(spec, InputNoise):
            yield partial(input_noise, std=spec.std)


def random_crop(images: Tensor, generator: Generator, *, padding: int) -> Tensor:
    """Windows of the old size out of (N, C, H, W) padded with zeros, each sample's at a place of its own."""
    count, _, height, width = images.shape
    padded = functional.pad(images, (padding,) * 4)
    top, left = torch.randint(0, 2 * padding + 1, (2, count), generator=generator, device=images.device)
    rows = top[:, None, None] + torch.arange(height, device=images.device)[:, None]
    columns = left[:, None, None] + torch.arange(width, device=images.device)
    samples = torch.arange(count, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[samples, rows, columns].permute(0, 3, 1, 2)


def horizontal_flip(images: Tensor, generator: Generator, *, probability: float) -> Tensor:
    """Mirrors samples of (N, C, H, W) left to right."""
    chosen = torch.rand(len(images), generator=generator, device=images.device) < probability
    return torch.where(chosen[:, None, None, None], images.flip(-1), images)


def input_noise(inputs: Tensor, generator: Generator, *, std: float) -> Tensor:
    """x + N(0, std^2)."""
    return inputs + std * torch.randn(inputs.shape, generator=generator, device=inputs.device)
