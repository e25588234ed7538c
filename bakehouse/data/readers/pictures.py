"""Reads a folder of pictures with their labels, and scales them to one size."""

import os
import statistics
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from bakehouse.data.errors import UnusableSource
from bakehouse.data.packed_folders import escape_path
from bakehouse.data.parsed import MAX_BYTES, Array, Samples, check_rows, check_size
from bakehouse.data.readers.arrow_folders import is_row, open_row
from bakehouse.data.readers.labels import encode_targets, parse_number
from bakehouse.data.readers.picture_files import FORMAT_NAMES, FORMATS, Picture, find_pictures
from bakehouse.data.readers.picture_labels import PicturePath, show
from bakehouse.data.scratch_arrays import new_array
from bakehouse.data.source_files import open_file
from bakehouse.plan.card import OwnSizes, UnreadablePictures
from bakehouse.plurals import listed

# Pillow's limit is switched off: it only warns, and only from 89 million pixels on. `_measure` checks MAX_PIXELS.
Image.MAX_IMAGE_PIXELS = None
MAX_PIXELS = 80_000_000
GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")
EXIF_ORIENTATION = 0x0112
DECODING_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, struct.error, zlib.error,
)  # fmt: skip
"""The exceptions that Pillow raises for a damaged picture."""
SHOWN_PROBLEMS = 3
ROUNDING = 8
MAX_SIDE = 64
"""Side of the largest square to which pictures are scaled by default."""
COMMON = 0.9
"""Share of the pictures from which on their size is that of the set, and the others are scaled to it."""
TRANSPARENT = (128, 128, 128, 255)
"""The colour behind transparent pixels: in grey, neither a white nor a black drawing disappears."""

Size = tuple[int, int]


class Unreadable(Exception):
    """Raised if a picture is damaged or not one; the message says what is wrong with it."""


@dataclass
class Problems:
    """The pictures that cannot be read, of `total` pictures. How many of them are too many is said by each recipe."""

    total: int
    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, path: PicturePath, problem: str) -> None:
        """Counts a picture, and remembers the first ones."""
        self.count += 1
        if len(self.first) < SHOWN_PROBLEMS:
            self.first.append(f"{show(path)} cannot be read: {problem}")

    def found(self) -> UnreadablePictures | None:
        """Returns what the card says of them; None if there are none."""
        return UnreadablePictures(count=self.count, of=self.total, problems=tuple(self.first)) if self.count else None

    def notes(self) -> Iterator[str]:
        """Yields the note for the card."""
        if self.count:
            yield f"{self.count:,} of {self.total:,} pictures were passed over: {self.found()}"

    def check_left(self, splits: Mapping[str, list[Picture]]) -> None:
        """Raises UnusableSource if too few pictures are left to train on, or none of another split."""
        try:
            check_rows(len(splits.get("", ())))
        except UnusableSource as error:
            raise UnusableSource("; ".join([str(error), *self.notes()])) from error
        for split, pictures in splits.items():
            if not pictures:
                name = split.removeprefix("_")
                raise UnusableSource("; ".join([f"no picture of its {name} split can be read", *self.notes()]))


def read_pictures(folder: Path) -> Samples:
    """Reads the sizes of all pictures from their headers, then decodes them one by one at the size of the set."""
    notes: list[str] = []
    empty: list[str] = []
    found = find_pictures(folder, notes, empty)
    problems = Problems(len(found))
    pictures = list(_measure_all(found, folder, problems))
    splits = {split: [p for p in pictures if p.split == split] for split in dict.fromkeys(p.split for p in found)}
    problems.check_left(splits)
    channels = 1 if all(picture.grey for picture in pictures) else 3
    size = choose_size([picture.size for picture in pictures], channels)
    notes += _note_sizes([picture.size for picture in pictures], size)
    decoder = Decoder(folder, (channels, size[1], size[0]), problems)
    decoded = {split: decoder.decode_all(members) for split, members in splits.items()}
    problems.check_left({split: kept for split, (_, kept) in decoded.items()})
    notes += [*decoder.notes(), *problems.notes()]
    labels = {f"y{split}": _labels(kept) for split, (_, kept) in decoded.items()}
    try:
        encoded, classes = encode_targets(labels)
    except UnusableSource as error:
        # What was ignored may be the other class.
        without = [f"no pictures are in {listed(empty)}"] if empty else []
        raise UnusableSource("; ".join([str(error), *without, *notes])) from error
    return Samples(
        kind="image",
        format="pictures",
        arrays={**{f"x{split}": x for split, (x, _) in decoded.items()}, **encoded},
        classes=classes,
        paths={split: tuple(escape_path(picture.path) for picture in kept) for split, (_, kept) in decoded.items()},
        own_sizes=measure_sizes([picture.size for picture in pictures]),
        unreadable=problems.found(),
        empty_folders=tuple(empty),
        notes=notes,
    )


def measure_sizes(sizes: list[Size]) -> OwnSizes:
    """Returns what the card says of the pictures' own sizes."""
    return OwnSizes(
        shortest=min(map(min, sizes)),
        longest=max(map(max, sizes)),
        elongation=max(max(size) / min(size) for size in sizes),
        pixels=sum(map(_area, sizes)),
    )


def choose_size(sizes: list[Size], channels: int) -> Size:
    """Returns the width and height of all pictures: their own if they have the same, which is not large, or else a
    square of the median of their shorter sides."""
    common, same = Counter(sizes).most_common(1)[0]
    if same >= COMMON * len(sizes) and max(common) <= MAX_SIDE:
        chosen = common
    else:
        median = statistics.median(min(size) for size in sizes)
        side = min(MAX_SIDE, max(ROUNDING, round(median / ROUNDING) * ROUNDING))
        # Of very many pictures, a smaller square fits the limit.
        while side > ROUNDING and len(sizes) * channels * side**2 > MAX_BYTES:
            side -= ROUNDING
        chosen = (side, side)
    check_size(f"{len(sizes):,} pictures of {chosen[0]} x {chosen[1]} pixels", len(sizes) * channels * _area(chosen))
    return chosen


def _area(size: Size) -> int:
    return size[0] * size[1]


def _note_sizes(sizes: list[Size], size: Size) -> Iterator[str]:
    others = [each for each in sizes if each != size]
    if others:
        (least, most) = (min(others, key=_area), max(others, key=_area))
        having = f"{least[0]} x {least[1]}" if least == most else f"{least[0]} x {least[1]} to {most[0]} x {most[1]}"
        yield (
            f"{len(others):,} of {len(sizes):,} pictures ({having} pixels) were made {size[0]} x {size[1]}: scaled "
            "until they cover it, and cut to the centre"
        )


def _labels(pictures: list[Picture]) -> Array:
    """Returns the labels: numbers to predict if one of them has decimals, or else the names of classes."""
    labels = [picture.label for picture in pictures]
    numbers = [parse_number(label) for label in labels]
    if None not in numbers and any("." in label for label in labels):
        return np.array(numbers, dtype=np.float64)
    return np.array(labels)


def _measure_all(pictures: list[Picture], folder: Path, problems: Problems) -> Iterator[Picture]:
    for picture in pictures:
        try:
            yield _measure(picture, folder)
        except Unreadable as error:
            problems.add(picture.path, str(error))


@contextmanager
def open_picture(path: PicturePath, folder: Path) -> Iterator[Image.Image]:
    """Opens a picture. Raises Unreadable inside the block and outside of it, and UnusableSource."""
    try:
        with open_picture_file(path, folder) as file, Image.open(file, formats=FORMATS) as image:
            yield image
    except UnusableSource:  # It is a ValueError, and so one of the errors below.
        raise
    except DECODING_ERRORS as error:
        # Pillow raises OSError without a number; an error with a number is one of the disk.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        is_unknown = isinstance(error, UnidentifiedImageError)
        reason = f"it is not a {FORMAT_NAMES} picture" if is_unknown else "it is truncated or damaged"
        raise Unreadable(reason) from error


def open_picture_file(path: PicturePath, folder: Path) -> BinaryIO:
    """Opens the file of a picture, or the picture in a row of an Arrow file."""
    return open_row(folder, path) if is_row(path) else open_file(folder, *path)


def file_bytes(path: PicturePath, folder: Path) -> int:
    """Returns the size of a picture's file."""
    with open_picture_file(path, folder) as file:
        return file.seek(0, os.SEEK_END)


def _measure(picture: Picture, folder: Path) -> Picture:
    with open_picture(picture.path, folder) as image:
        if image.width * image.height > MAX_PIXELS:
            raise UnusableSource(
                f"{show(picture.path)} has {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} pixels are "
                "allowed",
                file=show(picture.path),
            )
        size = (image.height, image.width) if _is_turned(image) else image.size
        return replace(picture, size=size, grey=image.mode in GREY_MODES)


def _is_turned(image: Image.Image) -> bool:
    """Whether the camera's orientation, which is 5 to 8, swaps the sides of the picture."""
    # Pillow gives the size of an upright TIFF. In a PNG, the search for an orientation that comes after the pixels
    # would decode them.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return False
    return bool(image.getexif().get(EXIF_ORIENTATION, 1) in range(5, 9))


@dataclass
class Decoder:
    """Decodes pictures at one shape, which is channels x height x width."""

    folder: Path
    shape: tuple[int, int, int]
    problems: Problems
    transparent: int = 0

    def decode_all(self, pictures: list[Picture]) -> tuple[Array, list[Picture]]:
        """Returns the pixels of the pictures, and the pictures without those that cannot be read."""
        x = new_array((len(pictures), *self.shape), np.uint8)
        kept: list[Picture] = []
        for picture in pictures:
            try:
                with open_picture(picture.path, self.folder) as image:
                    x[len(kept)] = self._decode(image)
            except Unreadable as error:
                self.problems.add(picture.path, str(error))
            else:
                kept.append(picture)
        return x[: len(kept)], kept

    def notes(self) -> Iterator[str]:
        """Yields the note for the card."""
        if self.transparent:
            yield f"{self.transparent:,} pictures have transparent pixels, which were filled with grey"

    def _decode(self, image: Image.Image) -> Array:
        """Decodes a picture upright and at the common size, with 8 bits per channel and the channels first."""
        self.transparent += (pixels := decode(image, self.shape)).is_transparent
        return pixels.values


@dataclass(frozen=True)
class Pixels:
    """A decoded picture."""

    values: Array
    is_transparent: bool


def decode(image: Image.Image, shape: tuple[int, int, int]) -> Pixels:
    """Decodes a picture upright and at the common size, with 8 bits per channel and the channels first."""
    channels, height, width = shape
    # A JPEG of many times the size is decoded at a half, a quarter or an eighth of it, which takes less memory.
    image.draft(image.mode, (2 * max(height, width), 2 * max(height, width)))
    image, is_transparent = decode_whole(image, channels)
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    return Pixels(np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1), is_transparent)


def decode_whole(image: Image.Image, channels: int) -> tuple[Image.Image, bool]:
    """Decodes a picture upright, with 8 bits per channel; returns also whether it is transparent somewhere."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = _narrow(np.asarray(image))
    mode = "L" if channels == 1 else "RGB"
    is_transparent = image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] != 255
    if is_transparent:
        image = Image.alpha_composite(Image.new("RGBA", image.size, TRANSPARENT), image.convert("RGBA"))
    return image.convert(mode), is_transparent


def _narrow(values: Array) -> Image.Image:
    """Keeps the upper 8 of 16 bits; `convert` would clip at 255."""
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65_535:
        raise Unreadable("its pixels are neither 8 nor 16 bits: save it with 8 bits a channel")
    return Image.fromarray((values >> 8).astype(np.uint8))
