"""Changes of colour, on images (N, C, H, W) between 0 and 1; factors are (N,)."""

import torch
from torch import Generator, Tensor

from worker.augmentation.draws import uniform

LEVELS = 255


def color_jitter(
    images: Tensor, generator: Generator, *, brightness: float, contrast: float, saturation: float, hue: float
) -> Tensor:
    """Each sample by factors of its own."""
    count = len(images)
    for change, strength in (
        (adjust_brightness, brightness),
        (adjust_contrast, contrast),
        (adjust_saturation, saturation),
    ):
        if strength:
            images = change(images, uniform(count, 1 - strength, 1 + strength, generator))
    return shift_hue(images, uniform(count, -hue, hue, generator)) if hue else images


def blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """other + factor (images - other), clamped."""
    return (other + factor[:, None, None, None] * (images - other)).clamp(0, 1)


def grey(images: Tensor) -> Tensor:
    """(N, 1, H, W): brightness as ITU-R 601 weighs red, green and blue; the mean of other channels."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device)
    return (images * weights[:, None, None]).sum(1, keepdim=True)


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """x f."""
    return (images * factor[:, None, None, None]).clamp(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Away from the image's mean grey."""
    return blend(images, grey(images).mean((2, 3), keepdim=True), factor)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Saturation: away from each pixel's grey."""
    return blend(images, grey(images), factor)


def shift_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Colours of the same value and saturation, further on in the circle of hues (Smith 1978)."""
    red, green, blue = images.unbind(1)
    top, bottom = images.amax(1), images.amin(1)
    span = top - bottom
    # A grey has no hue, and needs none.
    known = torch.where(span == 0, 1, span)
    beside_green, beside_blue = 2 + (blue - red) / known, 4 + (red - green) / known
    sixths = torch.where(top == red, (green - blue) / known, torch.where(top == green, beside_green, beside_blue))
    offsets = torch.tensor([5.0, 3.0, 1.0], device=images.device)[:, None, None]
    place = offsets + (sixths + 6 * turns[:, None, None])[:, None]
    place = place - 6 * (place / 6).floor()  # A third of the time of `% 6` on a CPU.
    return top[:, None] - span[:, None] * torch.minimum(place, 4 - place).clamp(0, 1)


def adjust_sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Away from a smoothed image: 5 for the pixel and 1 for each of its neighbours, over 13; the rim stays."""
    three = images[:, :, :-2] + images[:, :, 1:-1] + images[:, :, 2:]
    nine = three[:, :, :, :-2] + three[:, :, :, 1:-1] + three[:, :, :, 2:]
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = (nine + 4 * images[:, :, 1:-1, 1:-1]) / 13
    return blend(images, smooth, factor)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Inverts what is at the threshold or above."""
    return torch.where(images >= threshold[:, None, None, None], 1 - images, images)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keeps the upper bits of 8."""
    step = torch.exp2(8 - bits.round())[:, None, None, None]
    return ((images * LEVELS).round() / step).floor() * step / LEVELS


def autocontrast(images: Tensor, _: Tensor) -> Tensor:
    """Stretches each channel to the whole range."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / torch.where(high > low, high - low, 1), images)


def equalize(images: Tensor, _: Tensor) -> Tensor:
    """Each channel by rank on 256 levels: pixels that are darker, over pixels that are not the lightest.

    Pillow divides whole numbers here and so leaves images of fewer than 256 pixels as they are.
    """
    levels = (images.flatten(2) * LEVELS).round().long()
    channels = torch.arange(levels[..., 0].numel(), device=images.device).view(*levels.shape[:2], 1)
    counts = (levels + 256 * channels).flatten().bincount(minlength=256 * channels.numel()).view(*levels.shape[:2], 256)
    darker = counts.cumsum(2) - counts
    below_top = darker.gather(2, levels.amax(2, keepdim=True))
    equal = (darker / below_top.clamp(min=1)).gather(2, levels).view(images.shape)
    return torch.where(below_top[..., None] > 0, equal, images)
