"""Augmentation: what each transform can give, and how often."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Generator

from bakehouse.recipe.augmentation import HorizontalFlip, InputNoise, RandomCrop
from worker.augmentation import after_normalization, before_normalization, horizontal_flip, input_noise, random_crop

PADDING = 2
WINDOWS = (2 * PADDING + 1) ** 2


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_crop_is_a_window_of_the_padded_image_and_each_is_as_likely(dtype: torch.dtype) -> None:
    image = (torch.arange(2 * 5 * 4) + 1).reshape(2, 5, 4).to(dtype)
    crops = random_crop(image.expand(5000, 2, 5, 4), generator(), padding=PADDING)
    assert crops.dtype == dtype
    padded = np.pad(image.numpy(), ((0, 0), (PADDING, PADDING), (PADDING, PADDING)))
    windows = {
        padded[:, top : top + 5, left : left + 4].tobytes(): (top, left)
        for top in range(2 * PADDING + 1)
        for left in range(2 * PADDING + 1)
    }
    places = Counter(windows[np.ascontiguousarray(crop).tobytes()] for crop in crops.numpy())
    assert len(places) == WINDOWS
    share = 1 / WINDOWS
    assert all(abs(n / 5000 - share) < 6 * math.sqrt(share * (1 - share) / 5000) for n in places.values())


def test_crops_of_a_batch_stay_with_their_samples() -> None:
    images = torch.arange(1, 9.0)[:, None, None, None].expand(8, 3, 6, 6)
    crops = random_crop(images, generator(), padding=3)
    for number, crop in enumerate(crops, start=1):
        assert set(crop.unique().tolist()) <= {0.0, float(number)}


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_a_flip_mirrors_whole_samples(probability: float) -> None:
    images = torch.randn(3000, 2, 3, 4)
    flipped = horizontal_flip(images, generator(), probability=probability)
    mirror = torch.from_numpy(images.numpy()[:, :, :, ::-1].copy())
    mirrored, untouched = (flipped.eq(other).flatten(1).all(1) for other in (mirror, images))
    assert bool((mirrored ^ untouched).all())
    assert abs(mirrored.double().mean() - probability) <= 6 * math.sqrt(probability * (1 - probability) / 3000)


def test_noise_has_mean_0_and_the_std_that_was_asked_for() -> None:
    inputs = torch.randn(400, 50)
    noise = (input_noise(inputs, generator(), std=0.2) - inputs).double()
    n = noise.numel()
    assert abs(noise.mean()) < 6 * 0.2 / math.sqrt(n)
    assert abs(noise.std() - 0.2) < 6 * 0.2 / math.sqrt(2 * n)
    normal_kurtosis = 3
    assert abs((noise**4).mean() / noise.var() ** 2 - normal_kurtosis) < 6 * math.sqrt(24 / n)


def test_the_draw_is_the_generators() -> None:
    images = torch.randn(20, 1, 6, 6)
    recipe = (RandomCrop(padding=1), HorizontalFlip(), InputNoise())
    for transform in (*before_normalization(recipe), *after_normalization(recipe)):
        assert torch.equal(transform(images, generator(5)), transform(images, generator(5)))
        assert not torch.equal(transform(images, generator(5)), transform(images, generator(6)))


def test_crops_and_flips_come_before_normalisation_and_noise_after_it_in_the_recipes_order() -> None:
    recipe = (InputNoise(), HorizontalFlip(probability=1), RandomCrop(padding=1))
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    flip, crop = before_normalization(recipe)
    assert torch.equal(flip(image, generator()), image.flip(-1))
    assert crop(image, generator()).shape == image.shape
    assert len(list(after_normalization(recipe))) == 1
