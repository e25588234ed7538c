"""Changes the colours of images (N, C, H, W) with values between 0 and 1. Factors (N,) hold one for each sample."""

import torch
from torch import Generator, Tensor

from worker.augmentation.constants import constant
from worker.augmentation.draws import uniform

LEVELS = 255


def color_jitter(
    images: Tensor, generator: Generator, *, brightness: float, contrast: float, saturation: float, hue: float
) -> Tensor:
    """Changes brightness, contrast, saturation and hue, in this order, by random factors around 1."""
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
    """Returns other + factor (images - other), clamped to 0 ... 1."""
    return (other + factor[:, None, None, None] * (images - other)).clamp(0, 1)


def to_grey(images: Tensor) -> Tensor:
    """Returns the brightness (N, 1, H, W): by ITU-R 601 if there are three channels, else the mean of the channels."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    weights = constant((0.299, 0.587, 0.114), images.device)
    return (images * weights[:, None, None]).sum(1, keepdim=True)


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Returns factor x, clamped to 0 ... 1."""
    return (images * factor[:, None, None, None]).clamp(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Moves pixels away from the mean grey of the image (factors above 1), or towards it."""
    return blend(images, to_grey(images).mean((2, 3), keepdim=True), factor)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Moves each pixel away from its own grey (factors above 1), or towards it."""
    return blend(images, to_grey(images), factor)


def shift_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turns the hue by a share of the colour circle; keeps value and saturation (Smith 1978)."""
    red, green, blue = images.unbind(1)
    top = images.amax(1)
    span = top - images.amin(1)
    # A grey pixel has no hue. Its divisor does not matter, because the hue is multiplied by the span, which is 0.
    divisor = torch.where(span == 0, 1, span)
    from_red = (green - blue) / divisor
    from_green = 2 + (blue - red) / divisor
    from_blue = 4 + (red - green) / divisor
    sixths = torch.where(top == red, from_red, torch.where(top == green, from_green, from_blue))
    # Red, green and blue are the same function of the hue, shifted by these sixths of the circle.
    offsets = constant((5.0, 3.0, 1.0), images.device)[:, None, None]
    angle = offsets + (sixths + 6 * turns[:, None, None])[:, None]
    angle = angle - 6 * (angle / 6).floor()  # On a CPU, this takes a third of the time of `% 6`.
    return top[:, None] - span[:, None] * torch.minimum(angle, 4 - angle).clamp(0, 1)


def adjust_sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Moves pixels away from a smoothed image (factors above 1), or towards it.

    As in Pillow, smoothing weighs a pixel by 5 / 13 and each of its 8 neighbours by 1 / 13; edge pixels stay.
    """
    three = images[:, :, :-2] + images[:, :, 1:-1] + images[:, :, 2:]
    nine = three[:, :, :, :-2] + three[:, :, :, 1:-1] + three[:, :, :, 2:]
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = (nine + 4 * images[:, :, 1:-1, 1:-1]) / 13
    return blend(images, smooth, factor)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Inverts values at the threshold or above."""
    return torch.where(images >= threshold[:, None, None, None], 1 - images, images)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keeps the `bits` most significant of 8 bits."""
    step = torch.exp2(8 - bits.round())[:, None, None, None]
    return ((images * LEVELS).round() / step).floor() * step / LEVELS


def autocontrast(images: Tensor, _: Tensor) -> Tensor:
    """Stretches each channel of an image to the whole range."""
    low = images.amin((2, 3), keepdim=True)
    high = images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / torch.where(high > low, high - low, 1), images)


def equalize(images: Tensor, _: Tensor) -> Tensor:
    """Replaces each value of a channel by its rank: the share of darker pixels among those below the lightest level.

    Values are rounded to 256 levels first. Pillow, which divides whole numbers, leaves images with fewer than 256
    pixels unchanged; this function does not.
    """
    levels = (images.flatten(2) * LEVELS).round().long()
    channels = torch.arange(levels[..., 0].numel(), device=images.device).view(*levels.shape[:2], 1)
    # Each channel of each sample has 256 bins of its own, so that one `bincount` serves the whole batch.
    counts = (levels + 256 * channels).flatten().bincount(minlength=256 * channels.numel()).view(*levels.shape[:2], 256)
    darker = counts.cumsum(2) - counts
    below_top = darker.gather(2, levels.amax(2, keepdim=True))
    equal = (darker / below_top.clamp(min=1)).gather(2, levels).view(images.shape)
    # A channel with a single level has no ranks and stays as it is.
    return torch.where(below_top[..., None] > 0, equal, images)
