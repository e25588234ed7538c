"""Smooths images."""

from math import ceil

import torch
from torch import Generator, Tensor
from torch.nn import functional

from worker.augmentation.draws import bernoulli, uniform
from worker.augmentation.geometry import as_floats


def gaussian_blur(images: Tensor, generator: Generator, *, sigma: tuple[float, float], probability: float) -> Tensor:
    """Smooths a random share of images (N, C, H, W), each with its own sigma; edge pixels are repeated outside."""
    is_blurred = bernoulli(len(images), probability, generator)[:, None, None, None]
    # All samples share the radius of the largest sigma; 3 sigma hold 99.7 % of a Gaussian's weight.
    radius = ceil(3 * sigma[1])
    weights = gaussian_weights(uniform(len(images), *sigma, generator), radius)
    images = as_floats(images)
    maps = images.flatten(0, 1)[None]
    # Every channel of every sample is a group of its own in the convolution, so each has its own filter.
    filters = weights.repeat_interleave(images.shape[1], 0)[:, None, None]
    padded = functional.pad(maps, (radius,) * 4, mode="replicate")
    # Two passes along one axis each give the same result as a square filter, with fewer products.
    along_rows = functional.conv2d(padded, filters, groups=len(filters))
    blurred = functional.conv2d(along_rows, filters.transpose(2, 3), groups=len(filters))
    return torch.where(is_blurred, blurred.view_as(images), images)


def gaussian_weights(sigma: Tensor, radius: int) -> Tensor:
    """Returns weights (N, 2 radius + 1): exp(-d^2 / (2 sigma^2)) for d from -radius to radius, divided by their sum."""
    distance = torch.arange(-radius, radius + 1, device=sigma.device)
    weights = (-0.5 * (distance / sigma[:, None]) ** 2).exp()
    return weights / weights.sum(1, keepdim=True)
