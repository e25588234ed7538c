"""The inputs of a split: a tensor, or rows of an array on disk, which is mapped.

The pages of a mapped array are shared by all processes that train on it, and the system drops those for which there is
no memory.
"""

import ctypes
import mmap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakehouse.data.loading import StoredInputs
from bakehouse.data.parsed import Array
from bakehouse.data.step_rows import StoredSequences
from worker.memory import system_memory

LIBC = ctypes.CDLL(None)
MAX_GAP = 128 << 10
"""Bytes between two rows up to which the disk reads them together."""
AHEAD_BYTES = 16 << 20
"""Bytes of rows that the disk is asked for at once, if they are not in memory. So many requests keep it busy."""
REQUEST_BYTES = 128 << 10
"""Bytes that are asked for by one request. Of a longer one, the system reads only as much as it reads ahead by itself,
which is so much unless a disk is set up otherwise."""
HELD_SHARE = 0.75
"""Share of the memory up to which the system holds all rows once they are read."""
COPIED_BYTES = 8 << 20
"""Size of the blocks in which rows are copied to a tensor, so that no second copy of them is held."""


@dataclass(frozen=True)
class MappedRows:
    """Some rows of an array on disk. What reads them in slices may be given an array instead."""

    stored: StoredInputs | StoredSequences
    numbers: NDArray[np.int64]
    """The numbers of the rows in the array."""
    row_shape: tuple[int, ...]
    device: torch.device
    """The device to which rows are copied."""

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.row_shape)

    @property
    def ndim(self) -> int:
        return 1 + len(self.row_shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.stored.dtype

    def __getitem__(self, rows: slice) -> "MappedRows":
        return replace(self, numbers=self.numbers[rows])

    def __array__(self, dtype: np.dtype[Any] | None = None, copy: bool | None = None) -> NDArray[Any]:
        values = self.stored.take(self.numbers).reshape(self.shape)
        return values if dtype is None else values.astype(dtype, copy=False)

    def astype(self, dtype: type[np.generic]) -> NDArray[Any]:
        """Reads the rows as numbers of another type."""
        return np.asarray(self).astype(dtype)

    def flattened(self) -> "MappedRows":
        """Returns rows of one axis."""
        return replace(self, row_shape=(prod(self.row_shape),))

    def column(self, place: int) -> NDArray[Any]:
        """Reads one column of a table."""
        assert isinstance(self.stored, StoredInputs), "a sequence has steps, whose columns are not those of rows"
        return self.stored.column(place)[self.numbers]

    def take(self, rows: Tensor) -> Tensor:
        """Copies rows to the device, by their places among these."""
        return self._copy(self.numbers[rows.cpu().numpy()])

    def batches(self, rows: int) -> Iterator[Tensor]:
        """Yields batches of at most `rows` rows, in order."""
        ahead = max(rows, self.rows_ahead)
        read_to = 0 if self.exceeds_memory else len(self)
        for start in range(0, len(self), rows):
            while read_to < min(start + 2 * ahead, len(self)):
                self._read_ahead(self.numbers[read_to : read_to + ahead])
                read_to += ahead
            yield self._copy(self.numbers[start : start + rows])

    def tensor(self, device: torch.device) -> Tensor:
        """Copies all rows to a device."""
        dtype = torch.from_numpy(np.empty(0, self.dtype)).dtype
        copied = torch.empty(self.shape, dtype=dtype, device=device)
        step = max(1, COPIED_BYTES // self.stored.row_bytes)
        for start in range(0, len(self), step):
            block = np.asarray(self[start : start + step])
            copied[start : start + len(block)] = torch.from_numpy(block)
        return copied

    @property
    def exceeds_memory(self) -> bool:
        """Whether memory holds only a part of the array, so that rows in random order are read from the disk."""
        return len(self.stored) * self.stored.row_bytes > HELD_SHARE * system_memory()

    @property
    def rows_ahead(self) -> int:
        """Number of rows that the disk is asked for at once."""
        return max(1, AHEAD_BYTES // self.stored.row_bytes)

    def expect_random(self) -> None:
        """Tells the system that rows are read in random order: otherwise it reads 128 KiB around each."""
        assert isinstance(self.stored, StoredInputs), "sequences are made of rows, and do not stay on disk"
        advise(*pages_of(self.stored, 0, len(self.stored)), mmap.MADV_RANDOM)

    def read_ahead(self, rows: Tensor) -> None:
        """Asks the system to read rows that are taken soon, in the order of the file."""
        self._read_ahead(np.sort(self.numbers[rows.cpu().numpy()]))

    def _read_ahead(self, numbers: NDArray[np.int64]) -> None:
        assert isinstance(self.stored, StoredInputs), "sequences are made of rows, and do not stay on disk"
        gaps = np.flatnonzero(np.diff(numbers) * self.stored.row_bytes > MAX_GAP)
        firsts = numbers[np.append(0, gaps + 1)].tolist()
        lasts = numbers[np.append(gaps, -1)].tolist()
        for first, last in zip(firsts, lasts, strict=True):
            begin, end = pages_of(self.stored, first, last + 1)
            for start in range(begin, end, REQUEST_BYTES):
                advise(start, min(start + REQUEST_BYTES, end), mmap.MADV_WILLNEED)

    @cached_property
    def _whole(self) -> Tensor | None:
        """The array, if its rows are taken as they are."""
        if not isinstance(self.stored, StoredInputs) or self.stored.columns is not None:
            return None
        return as_tensor(self.stored.stored).reshape(-1, *self.row_shape)

    def _copy(self, numbers: NDArray[np.int64]) -> Tensor:
        if self._whole is None:
            copied = torch.from_numpy(self.stored.take(numbers).reshape(len(numbers), *self.row_shape))
        else:
            copied = self._whole.index_select(0, torch.from_numpy(numbers))
        if self.device.type == "cpu":
            return copied
        # From pinned memory, the device copies while the process proceeds.
        return copied.pin_memory().to(self.device, non_blocking=True)


def as_tensor(stored: Array) -> Tensor:
    """Returns a mapped array as a tensor of the same pages, from which PyTorch copies rows faster than NumPy does."""
    with warnings.catch_warnings():
        # Rows are copied before anything is written to them.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(stored)


def pages_of(stored: StoredInputs, first: int, end: int) -> tuple[int, int]:
    """Returns the addresses of the first page of some rows, which follow each other, and of their end."""
    address = stored.stored.ctypes.data
    begin = (address + first * stored.row_bytes) // mmap.PAGESIZE * mmap.PAGESIZE
    return begin, address + end * stored.row_bytes


def advise(begin: int, end: int, advice: int) -> None:
    """Gives the system advice on pages."""
    # It is only advice, so that an error, for example for rows in no file, changes nothing.
    LIBC.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), advice)


Rows = Tensor | MappedRows
StoredRows = NDArray[np.generic] | MappedRows


def take(source: Rows, rows: Tensor) -> Tensor:
    """Copies rows by their places."""
    return source.index_select(0, rows) if isinstance(source, Tensor) else source.take(rows)


def split_rows(source: Rows, rows: int) -> Iterator[Tensor]:
    """Yields batches of at most `rows` rows, in order."""
    return iter(torch.split(source, rows)) if isinstance(source, Tensor) else source.batches(rows)


def column_of(rows: StoredRows, place: int) -> NDArray[Any]:
    """Reads one column of a table."""
    return rows.column(place) if isinstance(rows, MappedRows) else rows[:, place]


def columns_of(rows: StoredRows, places: Sequence[int]) -> NDArray[Any]:
    """Reads some columns of a table."""
    # Of an array in memory, NumPy too gives the columns one after the other.
    return np.array([rows.column(place) for place in places]).T if isinstance(rows, MappedRows) else rows[:, places]


def flatten_rows(rows: StoredRows) -> StoredRows:
    """Returns rows of one axis."""
    return rows.flattened() if isinstance(rows, MappedRows) else rows.reshape(len(rows), -1)
