"""Scales photographs of any size by Pillow, whose results are the same on any machine."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]
Size = tuple[int, int]
"""Height and width."""


def size_at(size: Size, scale: int) -> Size:
    """Returns the height and width of an image that is resized so that the shorter side is `scale`; the longer side is
    in proportion, rounded down."""
    shorter = min(size)
    return size[0] * scale // shorter, size[1] * scale // shorter


def centre(whole: Size, window: Size) -> Size:
    """Returns the top left corner of the window in the centre. It is rounded down, because Python's `round` would go to
    the even neighbour."""
    return (whole[0] - window[0]) // 2, (whole[1] - window[1]) // 2


def resize(pixels: Array, size: Size) -> Array:
    """Resizes a picture (height, width, channels) of bytes, with antialiasing."""
    height, width, channels = pixels.shape
    if size == (height, width):
        return pixels
    image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    resized = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(*size, channels)


def cut_centre(pixels: Array, side: int, *, short: int) -> Array:
    """Resizes a picture so that the shorter side is `short`, and cuts a square out of its centre."""
    resized = resize(pixels, size_at((pixels.shape[0], pixels.shape[1]), short))
    top, left = centre((resized.shape[0], resized.shape[1]), (side, side))
    return resized[top : top + side, left : left + side]
