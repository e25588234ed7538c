"""A data set as a reader parsed it from its files, before it is packed, and the checks that all readers share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.errors import UnusableSource
from bakehouse.plan.card import Column, TargetCard

Array = NDArray[Any]

SPLITS = ("", "_validation", "_test")
"""The endings of array names, as in `x_test`; the training split has none."""
MIN_ROWS = 10
MAX_BYTES = 2 << 30
"""For the arrays of one data set: an ordinary machine can pack so many in memory."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is known of a data set without reading its files."""

    id: str
    origin: str
    title: str = ""
    mirror_safe: bool = True
    classes: tuple[str, ...] | None = None
    """Names for the class numbers in the files."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Inputs with a fixed target: arrays `x` and `y`, and `x_test`, `y_test` and so on if the files have splits."""

    kind: Literal["image", "sequence", "table"]
    arrays: Mapping[str, Array]
    classes: tuple[str, ...] | None
    """Null for regression."""
    targets: tuple[TargetCard, ...] = ()
    """Further targets, whose arrays are `target1`, `target2`, ..."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Named columns, any of which a recipe may take as its target; text is encoded as class numbers."""

    values: NDArray[np.float64]
    columns: tuple[Column, ...]
    notes: list[str] = field(default_factory=list)


Contents = Samples | Table


def check_size(subject: str, size: int) -> None:
    """Refuses data that would not fit, before an array of that size is made."""
    if size > MAX_BYTES:
        raise UnusableSource(f"{subject} would take {size:,} bytes; at most {MAX_BYTES:,} are allowed")


def check_rows(rows: int) -> None:
    """Refuses a data set with too few rows to split into train, validation and test."""
    if rows < MIN_ROWS:
        raise UnusableSource(f"{rows} rows are too few to train on; at least {MIN_ROWS} are needed")


def check_finite(name: str, values: Array) -> None:
    """Refuses nan and infinity, and names the first row that holds one."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise UnusableSource(
            f"{name} holds nan, infinity or a number beyond the range of float32 in row {row} (from 0)"
        )
