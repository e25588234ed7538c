"""Reads pictures from a folder for each class, or from train, validation and test folders that hold class folders."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array, Samples, check_rows, check_size
from bakehouse.data.readers.labels import encode_targets
from bakehouse.data.source_files import Kind, list_folder, open_file

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

    path: tuple[str, ...]
    """The names of the folders and of the file, below the set's folder."""
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
        ignored = "".join(f"; {note}" for note in notes)
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
    skipped = Skipped()
    names = skipped.folders(folder)
    if not names:
        ignored = "".join(f"; {note}" for note in skipped.notes())
        raise UnusableSource(
            "it holds no data: it needs a folder of PNG or JPEG pictures for each class, the four idx files of MNIST, "
            f"or the binary files of CIFAR{ignored}"
        )
    has_splits = "train" in names and set(names) <= set(SPLIT_FOLDERS)
    roots = [(SPLIT_FOLDERS[name], (name,)) for name in names] if has_splits else [("", ())]
    for split, root in roots:
        for label in skipped.folders(folder, *root) if root else names:
            for name in skipped.pictures(folder, *root, label):
                yield Picture((*root, label, name), split, label)
    notes.extend(skipped.notes())


@dataclass
class Skipped:
    """Lists folders and pictures, and remembers the entries that are neither."""

    files: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    """Links, pipes, sockets and devices."""

    def folders(self, source: Path, *path: str) -> list[str]:
        """Returns the names of the folders in a folder. Other files may lie beside them, such as a README."""
        entries = self._visible(source, *path)
        return [name for name, kind in entries.items() if kind == "folder"]

    def pictures(self, source: Path, *path: str) -> list[str]:
        """Returns the names of the pictures in a class folder."""
        entries = self._visible(source, *path)
        found = [name for name, kind in entries.items() if kind == "file" and name.lower().endswith(SUFFIXES)]
        others = {name for name, kind in entries.items() if kind in ("file", "folder")} - set(found)
        self.files += [f"{path[-1]}/{name}"[:80] for name in sorted(others)]
        return found

    def notes(self) -> Iterator[str]:
        """Yields a note for each kind of entries that were ignored."""
        if self.links:
            yield (
                "links, pipes, sockets and devices were ignored, because none are followed or opened: "
                f"{len(self.links)}, such as {self.links[0]!r}"
            )
        if self.files:
            yield f"files that are not PNG or JPEG were ignored: {len(self.files)}, such as {self.files[0]!r}"

    def _visible(self, source: Path, *path: str) -> dict[str, Kind]:
        entries = {name: kind for name, kind in list_folder(source, *path).items() if not name.startswith(".")}
        self.links += [
            "/".join((*path[-1:], name))[:80] for name, kind in entries.items() if kind not in ("file", "folder")
        ]
        return entries


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
