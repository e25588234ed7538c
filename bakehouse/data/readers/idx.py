"""Reads the four `.gz` files of MNIST, or of a data set in the same format."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from bakehouse.data.content_kinds import describe_content
from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array, Samples, check_rows, check_size
from bakehouse.data.readers.labels import encode_targets
from bakehouse.data.source_files import exists, open_file
from bakehouse.plurals import count_of

FILES = {
    "x": "train-images-idx3-ubyte.gz",
    "y": "train-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
}


def holds_idx(folder: Path) -> bool:
    """Whether the folder has all four files of MNIST."""
    # An entry of another kind counts too, so that its error can say why it is not read.
    return all(exists(folder, name) for name in FILES.values())


def read_idx(folder: Path, names: tuple[str, ...] | None) -> Samples:
    """Reads grey pictures and their classes; `names` are the names of the classes 0, 1, ..."""
    arrays = {key: _read_file(folder, name, axes=3 if key.startswith("x") else 1) for key, name in FILES.items()}
    check_rows(len(arrays["x"]))
    for split in ("", "_test"):
        pictures = len(arrays[f"x{split}"])
        labels = len(arrays[f"y{split}"])
        if pictures != labels:
            raise UnusableSource(
                f"{FILES[f'x{split}']} has {count_of(pictures, 'picture')}, but {FILES[f'y{split}']} "
                f"has {count_of(labels, 'label')}"
            )
    # A model has one input shape, so it could not be tested on other pictures.
    if arrays["x"].shape[1:] != arrays["x_test"].shape[1:]:
        raise UnusableSource(f"the pictures in {FILES['x']} and {FILES['x_test']} have different sizes")
    try:
        encoded, classes = encode_targets({"y": arrays["y"], "y_test": arrays["y_test"]}, names)
    except UnusableSource as error:
        file = FILES[error.member or "y"]
        raise UnusableSource(f"{file}: {error}", file=file) from error
    inputs = {key: arrays[key][:, None] for key in ("x", "x_test")}
    return Samples(kind="image", format="idx", arrays={**inputs, **encoded}, classes=classes)


def _read_file(folder: Path, name: str, *, axes: int) -> Array:
    """Reads an idx file: two zero bytes, the type (8: unsigned bytes), the number of axes, their lengths (big-endian)
    and the data."""
    try:
        with open_file(folder, name) as packed, gzip.open(packed) as file:
            magic, *shape = struct.unpack(f">{1 + axes}I", file.read(4 + 4 * axes))
            size = math.prod(shape)
            check_size(name, size)
            # One byte more than expected, to notice a file that is too long.
            body = file.read(size + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error, struct.error) as error:
        with open_file(folder, name) as packed:
            why = describe_content(packed, right="compressed by gzip")
        raise UnusableSource(f"{name} is not a gzipped idx file: {why}", file=name) from error
    if magic != 0x800 + axes or len(body) != size or size == 0:
        message = f"{name} is not an idx file of bytes with {axes} axes, or its length is wrong"
        raise UnusableSource(message, file=name)
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)
