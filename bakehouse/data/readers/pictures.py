"""Reads pictures from a folder for each class, or from train, validation and test folders that hold class folders."""

import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array, Samples, check_rows, check_size
from bakehouse.data.readers.labels import encode_targets

# Pillow's limit is switched off: it only warns, and only from 89 million pixels on. `_measure` checks MAX_PIXELS.
Image.MAX_IMAGE_PIXELS = None
MAX_PIXELS = 50_000_000
SUFFIXES = (".png", ".jpg", ".jpeg")
SPLIT_FOLDERS = {"train": "", "validation": "_validation", "val": "_validation", "test": "_test"}
GREY_MODES = ("1", "L", "LA", "I", "I;16")
EXIF_ORIENTATION = 0x0112
DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
"""The exceptions that Pillow raises for a damaged picture."""


@dataclass(frozen=True)
class Picture:
    """A picture file, with the facts from its header."""

    path: Path
    split: str
    label: str
    size: tuple[int, int] = (0, 0)
    """Width and height of the upright picture, after the camera's orientation is applied."""
    grey: bool = False


def read_pictures(folder: Path) -> Samples:
    """Reads the sizes of all pictures from their headers, then decodes them at the most common size."""
    notes: list[str] = []
    pictures = [_measure(picture, folder) for picture in _find_pictures(folder, notes)]
    if not pictures:
        ignored = f"; {notes[0]}" if notes else ""
        raise UnusableSource(f"its class folders hold no PNG or JPEG files{ignored}")
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
    encoded, classes = encode_targets(labels)
    return Samples(kind="image", arrays={**inputs, **encoded}, classes=classes, notes=notes)


def _find_pictures(folder: Path, notes: list[str]) -> Iterator[Picture]:
    """Yields all pictures in the order of their names, so that the packed data is the same on any machine."""
    names = [path.name for path in _folders(folder)]
    if not names:
        raise UnusableSource(
            "it holds no data: it needs a folder of PNG or JPEG pictures for each class, the four idx files of MNIST, "
            "or the binary files of CIFAR"
        )
    has_splits = "train" in names and set(names) <= set(SPLIT_FOLDERS)
    roots = [(SPLIT_FOLDERS[name], folder / name) for name in names] if has_splits else [("", folder)]
    skipped: list[str] = []
    for split, root in roots:
        for class_folder in _folders(root):
            yield from _find_class(class_folder, split, skipped)
    if skipped:
        notes.append(f"files that are not PNG or JPEG were ignored: {len(skipped)}, such as {skipped[0]!r}")


def _find_class(folder: Path, split: str, skipped: list[str]) -> Iterator[Picture]:
    for entry in _entries(folder):
        if entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(SUFFIXES):
            yield Picture(Path(entry.path), split, folder.name)
        else:
            skipped.append(f"{folder.name}/{entry.name}"[:80])


def _folders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if entry.is_dir(follow_symlinks=False)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


@contextmanager
def _open(path: Path, folder: Path) -> Iterator[Image.Image]:
    try:
        # A link may have taken the place of the file since the folder was listed.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file, Image.open(file, formats=("PNG", "JPEG")) as image:
            yield image
    except UnusableSource:  # It is a ValueError, and so one of the errors below.
        raise
    except DECODING_ERRORS as error:
        reason = "it is not a PNG or JPEG picture" if isinstance(error, UnidentifiedImageError) else _reason(error)
        raise UnusableSource(f"{path.relative_to(folder)} cannot be read: {reason}"[:300]) from error


def _reason(error: Exception) -> str:
    """Returns the text of an error without the full path that errors of the operating system include."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _measure(picture: Picture, folder: Path) -> Picture:
    with _open(picture.path, folder) as image:
        if image.width * image.height > MAX_PIXELS:
            name = picture.path.relative_to(folder)
            raise UnusableSource(
                f"{name} has {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} pixels are allowed"
            )
        # Orientations 5 to 8 turn a picture by 90 degrees, which swaps its sides.
        is_turned = _is_photo(image) and image.getexif().get(EXIF_ORIENTATION, 1) >= 5
        size = (image.height, image.width) if is_turned else image.size
        return Picture(picture.path, picture.split, picture.label, size, image.mode in GREY_MODES)


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
