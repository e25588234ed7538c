"""RandAugment and TrivialAugment: the pool of changes, their ranges, and how they are drawn."""

import math

import pytest
import torch
from torch import Tensor

from tests.worker.augmentation.draw import generator, moved, pictures
from worker.augmentation.draws import random_integers
from worker.augmentation.rand_augment import (
    Change,
    Motion,
    Space,
    apply_changes,
    changes,
    rand_augment,
    trivial_augment,
)

SPACES: list[Space] = ["wide", "rand_augment"]


def apply_to_all(change: Change | Motion, images: Tensor, magnitude: Tensor, sign: Tensor) -> Tensor:
    """One change of all images, by itself."""
    numbers = change.numbers(magnitude, sign)
    return change.apply(images, numbers) if isinstance(change, Change) else moved(images, change.sources, numbers)


def add(images: Tensor, amount: Tensor) -> Tensor:
    return images + amount[:, None, None, None]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("channels", "count"), [(1, 13), (3, 14), (4, 13)])
def test_there_are_fourteen_changes_of_which_grey_images_have_no_color(space: Space, channels: int, count: int) -> None:
    pool, images = changes(space, (channels, 8, 8)), pictures(3, channels, 8, 8)
    assert len(pool) == count
    for change in pool:
        for magnitude in (0.0, 0.5, 1.0):
            found = apply_to_all(change, images, torch.full((3,), magnitude), torch.tensor([1, -1, 1]))
            assert found.shape == images.shape
            assert (found - 0.5).abs().max() <= 0.5


@pytest.mark.parametrize("space", SPACES)
def test_no_magnitude_changes_nothing_but_by_autocontrast_and_equalize(space: Space) -> None:
    images = pictures(2, 3, 8, 8)
    alike = [
        torch.allclose(apply_to_all(change, images, torch.zeros(2), torch.ones(2)), images, atol=1e-5)
        for change in changes(space, (3, 8, 8))
    ]
    assert alike == [True, False, False, *[True] * 11]


def test_full_magnitudes_are_those_of_the_papers() -> None:
    standard, wide = (
        [float(change.numbers(torch.ones(1), torch.ones(1))) for change in changes(space, (3, 64, 128))]
        for space in ("rand_augment", "wide")
    )
    shift = 150 / 331
    assert standard[3:] == pytest.approx([30, 0, 1.9, 4, 1.9, 1.9, 1.9, 0.3, 0.3, shift, shift])
    assert wide[3:] == pytest.approx([135, 0, 1.99, 2, 1.99, 1.99, 1.99, 0.99, 0.99, 32 / 128, 32 / 64])


def test_changes_stay_with_their_samples_and_each_is_as_likely_with_either_sign() -> None:
    pool = (Change(add, 0.0, 1.0, signed=True), Change(add, 10.0, 20.0), Change(add, 100.0, 200.0, signed=True))
    images = torch.arange(6000.0).view(-1, 1, 1, 1) * 1000
    found = apply_changes(images, generator(), magnitudes=torch.full((6000,), 0.5), changes=pool)
    added = (found - images).flatten()
    for amount, share in ((0.5, 1 / 6), (-0.5, 1 / 6), (15.0, 1 / 3), (150.0, 1 / 6), (50.0, 1 / 6)):
        frequency = (added == amount).double().mean()
        assert abs(frequency - share) < 6 * math.sqrt(share * (1 - share) / 6000)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_sample_gets_the_change_that_it_would_get_alone(space: Space, channels: int) -> None:
    images, pool = pictures(300, channels, 9, 7), changes(space, (channels, 9, 7))
    magnitudes = torch.linspace(0, 1, 300)
    found = apply_changes(images, generator(5), magnitudes=magnitudes, changes=pool)
    draws = generator(5)
    choice = random_integers(300, 0, len(pool) - 1, draws)
    sign = 2 * random_integers(300, 0, 1, draws) - 1
    everything = torch.stack([apply_to_all(change, images, magnitudes, sign) for change in pool])
    torch.testing.assert_close(found, everything[choice, torch.arange(300)], rtol=0, atol=1e-6)


def test_rand_augment_applies_as_many_at_the_magnitude_that_was_asked_for() -> None:
    pool = (Change(add, 0.0, 30.0),)
    found = rand_augment(torch.zeros(4, 1, 2, 2), generator(), num_ops=3, magnitude=9, changes=pool)
    assert torch.allclose(found, torch.full_like(found, 27.0))


def test_trivial_augment_applies_one_at_any_of_31_magnitudes() -> None:
    pool = (Change(add, 0.0, 30.0),)
    found = trivial_augment(torch.zeros(3000, 1, 1, 1), generator(), changes=pool).flatten().round()
    assert sorted(set(found.tolist())) == list(range(31))
    assert abs(found.mean() - 15) < 6 * math.sqrt((31**2 - 1) / 12 / 3000)
