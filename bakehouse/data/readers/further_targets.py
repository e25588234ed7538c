"""Reads further targets of an `.npz` file from arrays `y_NAME`, and `y_NAME_validation` and `y_NAME_test` for splits.

A missing label is nan among floats, -1 among whole numbers, and the empty text among texts.
"""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import SPLITS, Array, check_finite
from bakehouse.data.readers.labels import encode_targets
from bakehouse.plan.card import TargetCard
from bakehouse.plurals import count_of

# `y_validation` and `y_test` are splits of `y` and not names of targets.
NAME = re.compile(r"y_(?!(?:validation|test)$)(.+?)(?:_validation|_test)?")
MAX_NAME = 64
MISSING = -1
"""The class number of a missing label."""


def find_names(entries: Iterable[str]) -> list[str]:
    """Returns the names of further targets that occur in the names of arrays, in alphabetical order."""
    names = sorted({match[1] for entry in entries if (match := NAME.fullmatch(entry))})
    for name in names:
        if len(name) > MAX_NAME or not name.isprintable():
            raise UnusableSource(
                f"the name of a target must have 1 to {MAX_NAME} printable characters, unlike {name[:80]!r}"
            )
    return names


def encode_further_target(name: str, arrays: Mapping[str, Array]) -> tuple[dict[str, Array], TargetCard]:
    """Encodes the target's arrays, whose keys are the splits, and makes its entry for the card.

    Classes become numbers, with -1 for a missing label.
    """
    try:
        encoded, classes = _encode(arrays)
    except UnusableSource as error:
        # The split's array is called `y_test` here, whatever the target is.
        member = f"y_{name}{(error.member or '').removeprefix('y')}"
        raise UnusableSource(f"y_{name}: {error}", member=member) from error
    return encoded, describe_target(name, encoded[""], classes)


def describe_target(name: str, train: Array, classes: tuple[str, ...] | None) -> TargetCard:
    """Makes the card's entry for a target from its encoded training labels."""
    if classes is None:
        missing = int(np.isnan(train).sum())
        return TargetCard(
            name=name,
            task="regression",
            minimum=float(np.nanmin(train)),
            missing=missing,
            dtype="float64" if train.dtype == np.float64 else "float32",
        )
    counts = np.bincount(train[train != MISSING], minlength=len(classes)).tolist()
    missing = int((train == MISSING).sum())
    return TargetCard(name=name, task="classification", classes=classes, class_counts=tuple(counts), missing=missing)


def _encode(arrays: Mapping[str, Array]) -> tuple[dict[str, Array], tuple[str, ...] | None]:
    known = {split: _is_known(values) for split, values in arrays.items()}
    if not known[""].any():
        raise UnusableSource("no training row has a label")
    for split, values in arrays.items():
        if values.dtype.kind == "f":
            # nan is a missing label here; infinity is still an error.
            check_finite(f"y{split}", np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf))
    labels, classes = encode_targets({f"y{split}": values[known[split]] for split, values in arrays.items()})
    full = {split: np.full(len(values), MISSING if classes else np.nan) for split, values in arrays.items()}
    for split, values in full.items():
        values[known[split]] = labels[f"y{split}"]
    return {split: values.astype(labels["y"].dtype) for split, values in full.items()}, classes


def _is_known(values: Array) -> Array:
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


def check_rows_match(name: str, arrays: Mapping[str, Array], rows: Mapping[str, int]) -> None:
    """Refuses a target whose number of rows differs from that of the inputs."""
    for split in SPLITS:
        if split in rows and len(arrays[split]) != rows[split]:
            raise UnusableSource(
                f"y_{name}{split} has {count_of(len(arrays[split]), 'row')}, but x{split} has "
                f"{rows[split]}; they must match",
                member=f"y_{name}{split}",
            )
