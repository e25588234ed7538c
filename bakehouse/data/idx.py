"""Reads the four `.gz` files of MNIST and the sets that took its form."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.labels import encode_targets
from bakehouse.data.parsed import Array, Samples, check_rows, check_size

FILES = {
    "x": "train-images-idx3-ubyte.gz",
    "y": "train-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
}


def holds_idx(folder: Path) -> bool:
    """Whether the folder has the four files."""
    return all((folder / name).is_file() for name in FILES.values())


def read_idx(folder: Path, names: tuple[str, ...] | None) -> Samples:
    """Grey pictures and their classes; `names` are those of the classes 0, 1, ..."""
    arrays = {key: _read(folder / name, axes=3 if key.startswith("x") else 1) for key, name in FILES.items()}
    check_rows(len(arrays["x"]))
    for split in ("", "_test"):
        if len(arrays[f"x{split}"]) != len(arrays[f"y{split}"]):
            raise UnusableSource(f"{FILES[f'x{split}']} and its labels differ in length")
    if arrays["x"].shape[1:] != arrays["x_test"].shape[1:]:
        raise UnusableSource("the pictures for training and for the test differ in size")
    encoded, classes = encode_targets({"y": arrays["y"], "y_test": arrays["y_test"]}, names)
    inputs = {key: arrays[key][:, None] for key in ("x", "x_test")}
    return Samples(kind="image", arrays={**inputs, **encoded}, classes=classes)


def _read(path: Path, *, axes: int) -> Array:
    """Big-endian: two zero bytes, 8 for unsigned bytes, the number of axes, each axis, then the bytes."""
    try:
        with gzip.open(path) as file:
            magic, *shape = struct.unpack(f">{1 + axes}I", file.read(4 + 4 * axes))
            size = math.prod(shape)
            check_size(path.name, size)
            body = file.read(size + 1)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise UnusableSource(f"{path.name} is not a sound idx file: {error}") from error
    if magic != 0x800 + axes or len(body) != size or size == 0:
        raise UnusableSource(f"{path.name} is not a sound idx file: its header and its length disagree")
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)
