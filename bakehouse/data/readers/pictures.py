"""Reads pictures from a folder for each class, or from train, validation and test folders that hold class folders."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array, Samples, check_rows, check_size
from bakehouse.data.readers.labels import encode_targets
from bakehouse.data.readers.picture_files import Picture, find_pictures
from bakehouse.data.source_files import open_file

# Pillow's limit is switched off: it only warns, and only from 89 million pixels on. `_measure` checks MAX_PIXELS.
Image.MAX_IMAGE_PIXELS = None
MAX_PIXELS = 50_000_000
GREY_MODES = ("1", "L", "LA", "I", "I;16")
EXIF_ORIENTATION = 0x0112
DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
"""The exceptions that Pillow raises for a damaged picture."""


def read_pictures(folder: Path) -> Samples:
    """Reads the sizes of all pictures from their headers, then decodes them at the most common size."""
    notes: list[str] = []
    pictures = [_measure(picture, folder) for picture in find_pictures(folder, notes)]
    if not pictures:
        raise UnusableSource("; ".join(["its class folders hold no PNG or JPEG files", *notes]))
    check_rows(sum(picture.split == "" for picture in pictures))
    size, same = Counter(picture.size for picture in pictures).most_common(1)[0]
    if same < len(pictures):
        notes.append(f"{len(pictures) - same} of {len(pictures)} pictures were resized to {size[0]} x {size[1]} pixels")
    channels = 1 if all(picture.grey for picture in pictures) else 3
    # Pillow gives the width first, but arrays have the height first.
    shape = (channels, size[1], size[0])
    check_size(f"{len(pictures)} pictures of {size[0]} x {size[1]}", len(pictures) * channels * size[0] * size[1])
    splits = {split: [p for p in pictures if p.split == split] for split in dict.fromkeys(p.split for p in pictures)}
    inputs = {f"x{split}": _decode_all(members, shape, folder) for split, members in splits.items()}
    labels = {f"y{split}": np.array([p.label for p in members]) for split, members in splits.items()}
    try:
        encoded, classes = encode_targets(labels)
    except UnusableSource as error:
        # What was ignored may be the other class.
        raise UnusableSource("; ".join([str(error), *notes])) from error
    return Samples(
        kind="image", format="pictures", arrays={**inputs, **encoded}, classes=classes, notes=notes
    )  # fmt: skip


@contextmanager
def _open(path: tuple[str, ...], folder: Path) -> Iterator[Image.Image]:
    try:
        with open_file(folder, *path) as file, Image.open(file, formats=("PNG", "JPEG")) as image:
            yield image
    except UnusableSource:  # It is a ValueError, and so one of the errors below.
        raise
    except DECODING_ERRORS as error:
        # Pillow raises OSError without a number; an error with a number is one of the disk.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = "it is not a PNG or JPEG picture" if isinstance(error, UnidentifiedImageError) else str(error)
        raise UnusableSource(f"{'/'.join(path)} cannot be read: {reason}"[:300]) from error


def _measure(picture: Picture, folder: Path) -> Picture:
    with _open(picture.path, folder) as image:
        if image.width * image.height > MAX_PIXELS:
            name = "/".join(picture.path)
            raise UnusableSource(
                f"{name} has {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} pixels are allowed"
            )
        # Orientations 5 to 8 turn a picture by 90 degrees, which swaps its sides.
        is_turned = _is_photo(image) and image.getexif().get(EXIF_ORIENTATION, 1) >= 5
        size = (image.height, image.width) if is_turned else image.size
        return replace(picture, size=size, grey=image.mode in GREY_MODES)


def _is_photo(image: Image.Image) -> bool:
    """Whether to look for the camera's orientation. Cameras write JPEG; in a PNG, the search would decode the
    picture."""
    return image.format == "JPEG"


def _decode_all(pictures: list[Picture], shape: tuple[int, int, int], folder: Path) -> Array:
    x = np.empty((len(pictures), *shape), dtype=np.uint8)
    for row, picture in enumerate(pictures):
        with _open(picture.path, folder) as image:
            x[row] = _decode(image, shape)
    return x


def _decode(image: Image.Image, shape: tuple[int, int, int]) -> Array:
    """Decodes a picture upright and at the common size, with 8 bits per channel and the channels first."""
    channels, height, width = shape
    if _is_photo(image):
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits; `convert` would clip at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)
