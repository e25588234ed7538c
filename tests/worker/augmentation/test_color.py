"""Colour against Pillow and the standard library."""

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from tests.worker.augmentation.draw import generator, pictures
from worker.augmentation import color

ONE_LEVEL = 1.01 / 255
"""Pillow rounds to 256 levels."""
ENHANCERS = [
    (color.adjust_brightness, ImageEnhance.Brightness),
    (color.adjust_contrast, ImageEnhance.Contrast),
    (color.adjust_saturation, ImageEnhance.Color),
    (color.adjust_sharpness, ImageEnhance.Sharpness),
]


def to_pillow(image: Tensor) -> Image.Image:
    levels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(levels if levels.shape[2] == 3 else levels[:, :, 0])


def from_pillow(image: Image.Image) -> Tensor:
    levels = torch.from_numpy(np.array(image)).float() / 255
    return levels.permute(2, 0, 1) if levels.ndim == 3 else levels[None]


@pytest.mark.parametrize(("change", "enhancer"), ENHANCERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_factors_do_what_pillow_does(change: object, enhancer: type, channels: int) -> None:
    images, factors = pictures(5, channels, 12, 10), torch.tensor([0.0, 0.4, 1.0, 1.5, 1.9])
    changed = change(images, factors)  # type: ignore[operator]
    for image, factor, found in zip(images, factors.tolist(), changed, strict=True):
        wanted = from_pillow(enhancer(to_pillow(image)).enhance(factor))
        # Smoothing and the mean grey are rounded before they are blended.
        assert float((found - wanted).abs().max()) <= 2.5 * ONE_LEVEL


def test_autocontrast_solarize_and_posterize_do_what_pillow_does() -> None:
    images = pictures(3, 3, 9, 9) * 0.5 + 0.2
    images = (images * 255).round() / 255
    bits, threshold = torch.tensor([2.0, 4.0, 8.0]), torch.tensor([0.0, 128 / 255, 256 / 255])
    stretched, few, inverted = (
        color.autocontrast(images, bits), color.posterize(images, bits), color.solarize(images, threshold)
    )  # fmt: skip
    for index, image in enumerate(map(to_pillow, images)):
        kept = int(bits[index])
        bound = round(float(threshold[index]) * 255)
        assert torch.allclose(stretched[index], from_pillow(ImageOps.autocontrast(image)), atol=ONE_LEVEL)
        assert torch.allclose(few[index], from_pillow(ImageOps.posterize(image, kept)), atol=1e-6)
        assert torch.allclose(inverted[index], from_pillow(ImageOps.solarize(image, bound)), atol=1e-6)


def test_equalizing_ranks_the_pixels() -> None:
    images = (pictures(4, 3, 40, 40) ** 3 * 255).round() / 255
    found = color.equalize(images, torch.zeros(4))
    for image, equal in zip(images.flatten(0, 1).numpy(), found.flatten(0, 1).numpy(), strict=True):
        below = (image[None, None] < image[:, :, None, None]).sum((2, 3))
        assert np.allclose(equal, below / (image < image.max()).sum(), atol=1e-6)
    # Pillow's steps are whole numbers of pixels: 6 of 6.25.
    for image, equal in zip(images, found, strict=True):
        assert float((equal - from_pillow(ImageOps.equalize(to_pillow(image)))).abs().max()) < 0.06


def test_small_and_plain_images_can_be_changed_too() -> None:
    ramp = torch.arange(4.0).reshape(1, 1, 2, 2) / 10
    sharp = color.adjust_sharpness(ramp, torch.ones(1) / 2)
    assert torch.equal(sharp, ramp)
    assert torch.allclose(color.equalize(ramp, torch.zeros(1)), torch.arange(4.0).reshape(1, 1, 2, 2) / 3)
    plain = torch.full((1, 1, 5, 5), 0.3)
    for change in (color.equalize, color.autocontrast):
        assert torch.equal(change(plain, torch.zeros(1)), plain)


@pytest.mark.parametrize("turns", [-0.5, -0.1, 0.0, 0.25, 0.5])
def test_a_turned_hue_is_that_of_the_standard_library(turns: float) -> None:
    images = pictures(1, 3, 6, 6)
    images[0, :, 0, 0], images[0, :, 0, 1] = 0.0, 0.5
    found = color.shift_hue(images, torch.tensor([turns]))[0]
    for row in range(6):
        for column in range(6):
            hue, saturation, value = colorsys.rgb_to_hsv(*images[0, :, row, column].tolist())
            wanted = colorsys.hsv_to_rgb((hue + turns) % 1, saturation, value)
            assert np.allclose(found[:, row, column], wanted, atol=1e-5)


def test_no_strength_changes_nothing_and_samples_have_factors_of_their_own() -> None:
    images = pictures(1, 3, 6, 6).expand(500, 3, 6, 6)
    none = color.color_jitter(images, generator(), brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    assert torch.equal(none, images)
    gray = torch.full((500, 1, 4, 4), 0.5)
    factors = color.color_jitter(gray, generator(), brightness=0.4, contrast=0.0, saturation=0.0, hue=0.0) / 0.5
    levels = factors[:, 0, 0, 0]
    assert len(set(levels.tolist())) > 490
    assert 0.6 <= levels.min() < 0.61 < 1.39 < levels.max() <= 1.4
    assert torch.equal(factors, levels[:, None, None, None].expand_as(factors))
