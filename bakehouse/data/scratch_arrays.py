"""Makes the arrays that readers fill. Large ones are files without a name, so that the system can write their pages to
the disk, and a set may be larger than memory."""

import os
import tempfile
from math import prod

import numpy as np

from bakehouse.data.parsed import Array

IN_MEMORY_BYTES = 64 << 20
BLOCK_BYTES = 8 << 20


def new_array(shape: tuple[int, ...], dtype: np.dtype[np.generic] | type[np.generic]) -> Array:
    """Returns an array to fill. Raises OSError if the disk has no room for it."""
    size = prod(shape) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype)
    # In the folder of the environment variable TMPDIR, which names the disk of the packed data.
    with tempfile.TemporaryFile() as file:
        # Without this, a disk that is full later would end the process at a write to memory.
        os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, dtype, "r+", shape=shape).view(np.ndarray)


def in_rows(values: Array, dtype: np.dtype[np.generic] | type[np.generic]) -> Array:
    """Returns an array in this type whose rows lie one after the other: the same array if it is one already."""
    if values.dtype == dtype and values.flags.c_contiguous:
        return values
    copied = new_array(values.shape, dtype)
    step = max(1, BLOCK_BYTES // (copied[:1].nbytes or 1))
    for start in range(0, len(values), step):
        copied[start : start + step] = values[start : start + step]
    return copied
