"""A folder of pictures of different sizes."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bakehouse.settings import Settings

NAME = "pets"
SIZES = [(30, 20), (20, 31), (48, 48), (17, 90)]
"""Width and height."""
BAD = "bad.png"
SHARE = 0.04
"""The share of the pictures that is damaged."""


def write(folder: Path) -> Settings:
    """Writes 24 pictures of two classes, of which one has a name that is not Unicode, and a damaged one; returns the
    settings of a home that has them."""
    noise = np.random.default_rng(0)
    for number in range(24):
        inside = folder / "data" / NAME / ("dog" if number % 2 else "cat")
        inside.mkdir(parents=True, exist_ok=True)
        width, height = SIZES[number % len(SIZES)]
        name = "\udcff.png" if number == 5 else f"{number:02}.png"
        Image.fromarray(noise.integers(0, 256, (height, width, 3), np.uint8)).save(inside / name)
    (folder / "data" / NAME / "dog" / BAD).write_bytes(b"")
    return Settings(home=folder / "home", data=folder / "data")


def paths(settings: Settings) -> list[Path]:
    """The files that can be read, in the order of the packed rows."""
    assert settings.data is not None
    return sorted(path for path in (settings.data / NAME).rglob("*.png") if path.name != BAD)


def images(settings: Settings) -> list[Image.Image]:
    """The pictures that can be read, in the order of the packed rows."""
    read = []
    for path in paths(settings):
        with Image.open(path) as image:
            read.append(image.copy())
    return read


def first_channel(image: Image.Image) -> NDArray[Any]:
    """Channels before rows and columns."""
    return np.asarray(image).transpose(2, 0, 1)


def shorter_side(image: Image.Image, length: int) -> Image.Image:
    """The picture with a shorter side of `length`, the longer one rounded down."""
    sizes = [side * length // min(image.size) for side in image.size]
    return image.resize((sizes[0], sizes[1]), Image.Resampling.BILINEAR)


def cut(image: Image.Image, left: int, top: int, side: int) -> NDArray[Any]:
    """A window of the picture."""
    return first_channel(image.crop((left, top, left + side, top + side)))
