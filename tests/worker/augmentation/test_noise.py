"""Noise."""

import math

import torch

from tests.worker.augmentation.draw import generator
from worker.augmentation.noise import input_noise


def test_noise_has_mean_0_and_the_std_that_was_asked_for() -> None:
    inputs = torch.randn(400, 50)
    noise = (input_noise(inputs, generator(), std=0.2) - inputs).double()
    n = noise.numel()
    assert abs(noise.mean()) < 6 * 0.2 / math.sqrt(n)
    assert abs(noise.std() - 0.2) < 6 * 0.2 / math.sqrt(2 * n)
    normal_kurtosis = 3
    assert abs((noise**4).mean() / noise.var() ** 2 - normal_kurtosis) < 6 * math.sqrt(24 / n)


def test_noise_on_channels_last_images_is_drawn_in_their_order() -> None:
    images = torch.zeros(8, 3, 5, 4).to(memory_format=torch.channels_last)
    noise = input_noise(images, generator(), std=1.0)
    assert noise.stride() == images.stride()
    assert torch.equal(noise.permute(0, 2, 3, 1).flatten(), torch.randn(images.numel(), generator=generator()))
