"""Defines the contents that a reader parses from files, before they are packed, and the checks that readers share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.errors import UnusableSource
from bakehouse.plan.card import Column, Format, Lengths, OwnSizes, SplitCounts, TargetCard, TextForm, UnreadablePictures
from bakehouse.plurals import count_of

Array = NDArray[Any]

SPLITS = ("", "_validation", "_test")
"""The suffixes of array names for train, validation and test, as in `x_test`."""
MIN_ROWS = 10
CHECKED_ROWS = 1024
MAX_BYTES = 512 << 30
"""Limit on the size of a data set's arrays, more than twice that of ImageNet's pictures. Large arrays are files, which
also need room on the disk."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """The facts about a data set that are known before its files are read."""

    id: str
    origin: str
    title: str = ""
    mirror_safe: bool = True
    classes: tuple[str, ...] | None = None
    """The names of the class numbers in the files."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Inputs with a fixed target: arrays `x` and `y`, and `x_test`, `y_test` and so on if the files have splits."""

    kind: Literal["image", "sequence", "table"]
    format: Format
    arrays: Mapping[str, Array]
    classes: tuple[str, ...] | None
    """The names of the classes; null for regression."""
    lengths: Lengths | None = None
    """How many steps ragged sequences have; nan follows the last step of each, up to the longest."""
    targets: tuple[TargetCard, ...] = ()
    """The further targets, whose arrays are named `target1`, `target2`, ..."""
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For a folder of pictures, the path of each row by the suffix of its arrays, such as `_test`."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The names of the arrays in the file, by what they are, such as `x_test`."""
    own_sizes: OwnSizes | None = None
    """The sizes of pictures in their files."""
    unreadable: UnreadablePictures | None = None
    """The pictures that were passed over because they cannot be read."""
    empty_folders: tuple[str, ...] = ()
    """The class folders that hold no pictures."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose columns have names. A recipe may choose any column as its target. Text is encoded as class
    numbers."""

    values: NDArray[np.float64]
    columns: tuple[Column, ...]
    format: Literal["csv", "parquet", "json", "arrow"] = "csv"
    counts: SplitCounts | None = None
    """How many rows are of each split, if the files have splits: first those of train, then of validation, then of
    test."""
    cells: tuple[str | None, ...] = ()
    """The name of each cell's column; None for a column that is left out."""
    text: TextForm | None = None
    """How the file is written, if it is text."""
    notes: list[str] = field(default_factory=list)

    @property
    def training(self) -> Array:
        """The rows of the train split."""
        return self.values if self.counts is None else self.values[: self.counts.train]


Contents = Samples | Table


def parts_of(values: Array, counts: SplitCounts) -> dict[str, Array]:
    """Returns the rows of each split by its suffix; those of train come first, then those of validation and test."""
    own = {"" if split == "train" else f"_{split}": count for split, count in counts if count is not None}
    parts = np.split(values, np.cumsum([*own.values()])[:-1])
    return dict(zip(own, parts, strict=True))


def quote(text: str) -> str:
    """Quotes, escapes and shortens a user's text for a message."""
    return repr(text if len(text) <= 40 else text[:40] + "…")


def check_size(subject: str, size: int) -> None:
    """Refuses an array of more than `MAX_BYTES` before it is allocated."""
    if size > MAX_BYTES:
        raise UnusableSource(f"{subject} would take {size:,} bytes; at most {MAX_BYTES:,} are allowed")


def check_rows(rows: int, *, member: str | None = None) -> None:
    """Refuses a data set with too few rows to split into train, validation and test; `member` is the array of rows."""
    if rows < MIN_ROWS:
        raise UnusableSource(
            f"{count_of(rows, 'row')} {'is' if rows == 1 else 'are'} too few to train on; at least "
            f"{MIN_ROWS} are needed",
            member=member,
        )


def check_finite(name: str, values: Array) -> None:
    """Refuses values of an array that are nan or infinite; the message names the first row with such a value."""
    if values.dtype.kind != "f":
        return
    # In blocks, because the answers for a whole array would take a quarter of its memory.
    for start in range(0, len(values), CHECKED_ROWS):
        is_finite = np.isfinite(values[start : start + CHECKED_ROWS])
        if not is_finite.all():
            row = start + int(np.argwhere(~is_finite)[0][0])
            raise UnusableSource(
                f"{name} holds nan, infinity or a number beyond the range of float32 in row {row} (from 0)",
                member=name,
            )
