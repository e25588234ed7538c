"""Blur against products of matrices in NumPy."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.worker.augmentation.draw import generator, pictures
from worker.augmentation.blur import gaussian_blur


def smoothing_matrix(side: int, sigma: float) -> NDArray[np.float64]:
    """(side, side): the weight of each pixel of a line in each pixel of the smoothed line."""
    distances = np.arange(-math.ceil(3 * sigma), math.ceil(3 * sigma) + 1)
    weights = np.exp(-(distances**2) / (2 * sigma**2))
    matrix = np.zeros((side, side))
    for pixel in range(side):
        np.add.at(matrix[pixel], np.clip(pixel + distances, 0, side - 1), weights / weights.sum())
    return matrix


@pytest.mark.parametrize("sides", [(12, 9), (3, 2), (1, 1)])
@pytest.mark.parametrize("sigma", [0.01, 0.7, 1.5, 4.0])
def test_each_pixel_is_the_weighted_mean_of_its_neighbourhood(sides: tuple[int, int], sigma: float) -> None:
    images = pictures(2, 3, *sides)
    found = gaussian_blur(images, generator(), sigma=(sigma, sigma), probability=1.0)
    down, across = (smoothing_matrix(side, sigma) for side in sides)
    np.testing.assert_allclose(found.numpy(), down @ images.double().numpy() @ across.T, atol=1e-6)


def test_the_share_that_was_asked_for_is_blurred_and_each_sample_has_its_sigma() -> None:
    point = torch.zeros(2000, 2, 15, 15, dtype=torch.uint8)
    point[:, :, 7, 7] = 200
    found = gaussian_blur(point, generator(), sigma=(0.5, 2.0), probability=0.3)
    assert torch.equal(found[:, 0], found[:, 1])
    assert torch.allclose(found.sum((2, 3)), torch.tensor(200.0))
    left = found[:, 0, 7, 7] / 200
    is_blurred = left < 1
    assert abs(float(is_blurred.float().mean()) - 0.3) < 0.05
    # Beside the middle a Gaussian falls by exp(-1 / (2 sigma^2)).
    sigma = (-0.5 / (found[is_blurred, 0, 7, 8] / found[is_blurred, 0, 7, 7]).log()).sqrt()
    assert 0.5 <= sigma.min() < 0.52
    assert 1.98 < sigma.max() <= 2.0 + 1e-4
    assert abs(float(sigma.mean()) - 1.25) < 0.06
