"""Photographs at their own sizes: the bytes of all pixels in a few files, and an index of where each photograph begins.

They are read one by one and not mapped, so that only those in use take memory.
"""

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.parsed import Array

SHARD_BYTES = 1 << 30
"""Size from which on photographs are written into the next file."""
INDEX = "photographs"
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Photographs:
    """Some photographs of a packed data set."""

    folder: Path
    suffix: str
    index: Rows
    """The number of the file, the first byte, the height and the width of each photograph."""
    channels: int

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: Rows) -> "Photographs":
        """Returns some of them, by their places."""
        return replace(self, index=self.index[rows])

    def pixels(self, row: int) -> Array:
        """Reads a photograph (height, width, channels) of bytes."""
        shard, offset, height, width = self.index[row].tolist()
        size = height * width * self.channels
        values = np.fromfile(shard_path(self.folder, self.suffix, shard), np.uint8, size, offset=offset)
        return values.reshape(height, width, self.channels)


def shard_path(folder: Path, suffix: str, shard: int) -> Path:
    return folder / f"{INDEX}{suffix}.{shard:05}"


def open_photographs(folder: Path, suffix: str, channels: int) -> Photographs | None:
    """Opens the photographs of a split; returns None if they were not kept."""
    path = folder / f"{INDEX}{suffix}.npy"
    return Photographs(folder, suffix, np.load(path), channels) if path.exists() else None


class PhotographWriter:
    """Writes photographs one by one."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder = folder
        self._suffix = suffix
        self._shard = 0
        self._file: IO[bytes] | None = None
        # Numbers of 8 bytes: objects would take ten times as much memory, for a million photographs 200 MB.
        self._index = array("q")

    def add(self, pixels: Array) -> None:
        """Writes a photograph (height, width, channels) of bytes."""
        if self._file is not None and self._file.tell() >= SHARD_BYTES:
            self._file.close()
            self._file = None
            self._shard += 1
        if self._file is None:
            self._file = shard_path(self._folder, self._suffix, self._shard).open("wb")
        height, width, _ = pixels.shape
        self._index.extend((self._shard, self._file.tell(), height, width))
        self._file.write(pixels.tobytes())

    def close(self) -> None:
        """Writes the index."""
        if self._file is not None:
            self._file.close()
        np.save(self._folder / f"{INDEX}{self._suffix}.npy", np.array(self._index, np.int64).reshape(-1, 4))


@contextmanager
def write_photographs(folder: Path, suffix: str) -> Iterator[PhotographWriter]:
    """Yields a writer, and writes the index after the block."""
    writer = PhotographWriter(folder, suffix)
    yield writer
    writer.close()
