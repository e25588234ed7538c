"""Further targets of an `.npz` file: arrays `y_NAME`, and `y_NAME_validation` and `y_NAME_test` of its own splits.

A label may be missing: nan among floats, -1 among whole numbers, no characters among texts.
"""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.labels import encode_targets
from bakehouse.data.parsed import SPLITS, Array, check_finite
from bakehouse.plan.card import TargetCard

NAME = re.compile(r"y_(?!(?:validation|test)$)(.+?)(?:_validation|_test)?")
MAX_NAME = 64
MISSING = -1
"""The number of no class."""


def further_names(entries: Iterable[str]) -> list[str]:
    """The targets that arrays are named for, in the alphabet's order."""
    names = sorted({found[1] for entry in entries if (found := NAME.fullmatch(entry))})
    for name in names:
        if len(name) > MAX_NAME or not name.isprintable():
            raise UnusableSource(f"the name of a target should be 1 to {MAX_NAME} characters, not {name[:80]!r}")
    return names


def encode_further(name: str, arrays: Mapping[str, Array]) -> tuple[dict[str, Array], TargetCard]:
    """`arrays` and what comes of them by what follows `y_NAME`; classes as numbers, -1 where a label is missing."""
    try:
        encoded, classes = _encoded(arrays)
    except UnusableSource as error:
        raise UnusableSource(f"y_{name}: {error}") from error
    return encoded, described(name, encoded[""], classes)


def described(name: str, train: Array, classes: tuple[str, ...] | None) -> TargetCard:
    """What a card says of a target."""
    if classes is None:
        missing = int(np.isnan(train).sum())
        return TargetCard(name=name, task="regression", minimum=float(np.nanmin(train)), missing=missing)
    counts = np.bincount(train[train != MISSING], minlength=len(classes)).tolist()
    missing = int((train == MISSING).sum())
    return TargetCard(name=name, task="classification", classes=classes, class_counts=tuple(counts), missing=missing)


def _encoded(arrays: Mapping[str, Array]) -> tuple[dict[str, Array], tuple[str, ...] | None]:
    known = {split: _known(values) for split, values in arrays.items()}
    if not known[""].any():
        raise UnusableSource("no row to train on has a label")
    for split, values in arrays.items():
        if values.dtype.kind == "f":
            check_finite(f"y{split}", np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf))
    labels, classes = encode_targets({f"y{split}": values[known[split]] for split, values in arrays.items()})
    full = {split: np.full(len(values), MISSING if classes else np.nan) for split, values in arrays.items()}
    for split, values in full.items():
        values[known[split]] = labels[f"y{split}"]
    return {split: values.astype(labels["y"].dtype) for split, values in full.items()}, classes


def _known(values: Array) -> Array:
    match values.dtype.kind:
        case "f":
            known = ~np.isnan(values)
        case "i":
            known = values != MISSING
        case "U" | "S":
            known = values != values.dtype.type()
        case _:
            known = np.ones(len(values), dtype=np.bool_)
    return np.asarray(known)


def check_splits(name: str, arrays: Mapping[str, Array], rows: Mapping[str, int]) -> None:
    """A target has a row, with or without a label, for each input."""
    for split in SPLITS:
        if split in rows and len(arrays[split]) != rows[split]:
            raise UnusableSource(f"y_{name}{split} has {len(arrays[split])} rows and x{split} has {rows[split]}")
