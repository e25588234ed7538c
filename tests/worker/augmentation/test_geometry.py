"""Geometry: known matrices, and what the draws can give."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.worker.augmentation.draw import generator, moved, pictures
from worker.augmentation.geometry import (
    Sides,
    affine,
    affine_sources,
    horizontal_flip,
    perspective,
    perspective_sources,
    rotation,
    shear_x,
    shear_y,
    translation_x,
    translation_y,
    warp,
)

STILL = {"degrees": 0.0, "translate": 0.0, "scale": (1.0, 1.0), "shear": 0.0}


def matrix(*, degrees: float = 0, lean: float = 0, factor: float = 1, shift: tuple[float, float] = (0, 0)) -> Tensor:
    numbers = {"angle": math.radians(degrees), "lean": math.radians(lean), "factor": factor}
    return affine_sources(
        **{name: torch.tensor([value], dtype=torch.float64) for name, value in numbers.items()},
        shift=torch.tensor([shift], dtype=torch.float64),
    )


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_a_flip_mirrors_whole_samples(probability: float) -> None:
    images = torch.randn(3000, 2, 3, 4)
    flipped = horizontal_flip(images, generator(), probability=probability)
    mirror = torch.from_numpy(images.numpy()[:, :, :, ::-1].copy())
    mirrored, untouched = (flipped.eq(other).flatten(1).all(1) for other in (mirror, images))
    assert bool((mirrored ^ untouched).all())
    assert abs(mirrored.double().mean() - probability) <= 6 * math.sqrt(probability * (1 - probability) / 3000)


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (5, 9)])
def test_known_matrices_move_pixels_as_they_should(size: tuple[int, int]) -> None:
    image = pictures(1, 2, *size)

    def moved(**numbers: object) -> Tensor:
        return warp(image, matrix(**numbers).float(), black=0.0)  # type: ignore[arg-type]

    assert torch.allclose(moved(), image, atol=1e-5)
    assert torch.allclose(moved(degrees=180), image.flip(2, 3), atol=1e-5)
    assert torch.allclose(moved(shift=(2, -1))[:, :, :-1, 2:], image[:, :, 1:, :-2], atol=1e-5)
    assert float(moved(shift=(2, -1))[:, :, :, :2].abs().max()) < 1e-5
    if size[0] == size[1]:
        assert torch.allclose(moved(degrees=90), torch.rot90(image, 1, (2, 3)), atol=1e-5)


def test_what_comes_in_from_outside_is_black() -> None:
    image = torch.full((1, 1, 4, 4), 5.0)
    moved = warp(image, matrix(shift=(4, 0)).float(), black=-3.0)
    assert torch.allclose(moved, torch.full((1, 1, 4, 4), -3.0))


def test_the_matrix_is_the_inverse_of_scaled_rotation_of_shear_and_a_shift() -> None:
    angle, lean, factor, shift = math.radians(25), math.radians(10), 1.3, np.array([2.0, -1.5])
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    forward = factor * turn @ np.array([[1, math.tan(lean)], [0, 1]])
    whole = np.block([[forward, shift[:, None]], [np.zeros((1, 2)), np.ones((1, 1))]])
    found = matrix(degrees=25, lean=10, factor=1.3, shift=(2.0, -1.5))[0].numpy()
    assert np.allclose(found, np.linalg.inv(whole), atol=1e-6)


def test_no_strength_changes_nothing() -> None:
    images = pictures(6, 3, 8, 9)
    assert torch.allclose(affine(images, generator(), **STILL, black=0.0), images, atol=1e-5)  # type: ignore[arg-type]
    still = perspective(images, generator(), distortion_scale=0.0, probability=1.0, black=0.0)
    assert torch.allclose(still, images, atol=1e-4)
    untouched = perspective(images, generator(), distortion_scale=0.6, probability=0.0, black=0.0)
    assert torch.equal(untouched, images)


def test_shifts_are_shares_of_the_side_and_differ_within_a_batch() -> None:
    # The position of the only light pixel shows the shift of each sample; bilinear weights make it exact.
    images = torch.zeros(2000, 1, 21, 41)
    images[:, 0, 10, 20] = 1.0
    moved = affine(images, generator(), **{**STILL, "translate": 0.2}, black=0.0)[:, 0]  # type: ignore[arg-type]
    x = (moved.sum(1) * (torch.arange(41) - 20)).sum(1)
    y = (moved.sum(2) * (torch.arange(21) - 10)).sum(1)
    for found, most in ((x, 0.2 * 41), (y, 0.2 * 21)):
        assert len(set(found.tolist())) > 1900
        assert 0.98 * most < found.abs().max() < most + 1e-4
        assert abs(found.mean()) < 6 * most / math.sqrt(3 * 2000)


def test_a_homography_takes_four_corners_to_the_images() -> None:
    corners = torch.tensor([[[-7.0, -4.0], [6.0, -5.0], [8.0, 3.0], [-9.0, 4.5]]], dtype=torch.float64)
    half = torch.tensor([10.0, 5.0], dtype=torch.float64)
    targets = np.array([[-10, -5], [10, -5], [10, 5], [-10, 5]], dtype=float)
    rows, values = [], []
    for (x, y), (u, v) in zip(corners[0].numpy(), targets, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    solved = np.append(np.linalg.solve(np.array(rows), np.array(values)), 1).reshape(3, 3)
    found = perspective_sources(corners, half)[0].numpy()
    assert np.allclose(found / found[2, 2], solved, atol=1e-9)


def test_perspective_changes_the_share_that_was_asked_for_and_never_folds() -> None:
    images = torch.ones(2000, 1, 12, 12)
    seen = perspective(images, generator(), distortion_scale=0.6, probability=0.3, black=0.0)
    changed = (seen != images).flatten(1).any(1)
    assert abs(changed.double().mean() - 0.3) < 6 * math.sqrt(0.3 * 0.7 / 2000)
    # Corners keep at least 0.4 of half the side from the centre.
    assert torch.allclose(seen[:, :, 5:7, 5:7], torch.ones(2000, 1, 2, 2))


@pytest.mark.parametrize(("change", "axis"), [(translation_x, 3), (translation_y, 2)])
def test_a_shift_by_a_share_is_one_of_whole_pixels(change: Callable[[Tensor, Sides], Tensor], axis: int) -> None:
    images = pictures(2, 3, 8, 8)
    shifted = moved(images, change, torch.tensor([0.25, -0.25]))
    for image, found, pixels in zip(images, shifted, (2, -2), strict=True):
        rolled = torch.roll(image, pixels, axis - 1)
        gap = slice(0, 2) if pixels > 0 else slice(6, 8)
        rolled.movedim(axis - 1, 0)[gap] = 0
        assert torch.allclose(found, rolled, atol=1e-5)


def test_shears_move_rows_and_columns_by_their_distance_from_the_centre() -> None:
    images = pictures(1, 1, 5, 5)
    along_x, along_y = (moved(images, shear, torch.ones(1)) for shear in (shear_x, shear_y))
    for index, away in enumerate(range(-2, 3)):
        wanted = torch.zeros(5)
        inside = slice(max(0, away), 5 + min(0, away))
        before = slice(max(0, -away), 5 + min(0, -away))
        wanted[inside] = images[0, 0, index, before]
        assert torch.allclose(along_x[0, 0, index], wanted, atol=1e-5)
        wanted[inside] = images[0, 0, before, index]
        assert torch.allclose(along_y[0, 0, :, index], wanted, atol=1e-5)


def test_rotation_is_by_degrees() -> None:
    images = pictures(2, 1, 6, 6)
    turned = moved(images, rotation, torch.tensor([90.0, -90.0]))
    for image, found, turns in zip(images, turned, (1, -1), strict=True):
        assert torch.allclose(found, torch.rot90(image, turns, (1, 2)), atol=1e-5)
