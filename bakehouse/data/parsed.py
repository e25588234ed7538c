"""What a parser makes of a source, before it is packed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.errors import UnusableSource
from bakehouse.plan.card import Column, TargetCard

Array = NDArray[Any]

SPLITS = ("", "_validation", "_test")
"""What follows `x` and `y` in the name of a split's arrays; the first is what a set trains on."""
MIN_ROWS = 10
MAX_BYTES = 2 << 30
"""Of one set's arrays: what a machine of ordinary size packs in memory."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What is known of a set without reading it."""

    id: str
    origin: str
    title: str = ""
    mirror_safe: bool = True
    classes: tuple[str, ...] | None = None
    """Names for the class numbers in the files."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Inputs with a fixed target: `x` and `y`, and the same of the set's own other splits."""

    kind: Literal["image", "sequence", "table"]
    arrays: Mapping[str, Array]
    classes: tuple[str, ...] | None
    """Null for regression."""
    targets: tuple[TargetCard, ...] = ()
    """Further targets, whose arrays are `target1`, `target2`, ..."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Named columns, any of which a recipe may take as its target; text as class numbers."""

    values: NDArray[np.float64]
    columns: tuple[Column, ...]
    notes: list[str] = field(default_factory=list)


Contents = Samples | Table


def check_size(what: str, size: int) -> None:
    """Before anything of that size is made."""
    if size > MAX_BYTES:
        raise UnusableSource(f"{what} would take {size:,} bytes; at most {MAX_BYTES:,} are packed")


def check_rows(rows: int) -> None:
    """Fewer rows than this cannot be split into train, validation and test."""
    if rows < MIN_ROWS:
        raise UnusableSource(f"{rows} rows are too few to train on; at least {MIN_ROWS} are needed")


def check_finite(name: str, values: Array) -> None:
    """Names the first row that holds nan or infinity."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise UnusableSource(f"{name} holds a value in row {row} (from 0) that is not a finite 32-bit number")
