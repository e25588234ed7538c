"""Turns the targets in files into class numbers or floats."""

from collections.abc import Mapping

import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array, quote
from bakehouse.data.precision import narrow_if_exact
from bakehouse.plurals import count_of, listed

MAX_CLASSES = 10_000
MARKS = (-1, -100, -999, 255, 999, 9999, 65535)
"""Numbers that are written in place of a class number where there is no label."""
MIN_CLASSES_BESIDE_MARK = 3
"""Of -1, 0 and 1, each may be a class."""
MAX_NAMED = 3

Targets = tuple[dict[str, Array], tuple[str, ...] | None]
"""The encoded targets by array name, and the names of the classes by number, which are null for regression."""


def encode_targets(targets: Mapping[str, Array], names: tuple[str, ...] | None = None) -> Targets:
    """Encodes targets. Floats stay values to predict; whole numbers, booleans and text become numbers of sorted
    classes.

    `names` are the names of the classes if these are exactly the numbers 0, 1, ..., one for each name.
    """
    kinds = {values.dtype.kind for values in targets.values()}
    if kinds == {"f"}:
        return narrow_if_exact(targets, "y", (0,)), None
    if not (kinds <= set("iub") or kinds <= set("US")):
        raise UnusableSource(f"targets must all be numbers or all text, but are {_types(targets)}", member="y")
    distinct = np.unique(np.concatenate([np.unique(values) for values in targets.values()]))
    if len(distinct) > MAX_CLASSES:
        raise UnusableSource(
            f"y has {len(distinct):,} classes (different whole numbers or texts); at most {MAX_CLASSES:,} are "
            "allowed. To predict a number, store y as floats",
            member="y",
        )
    _refuse_marks(targets, distinct)
    texts = _as_texts(distinct)
    # Only training rows count, because a model learns nothing from the classes of other splits.
    trained = np.unique(targets["y"])
    if len(trained) == 1:
        only = texts[int(np.searchsorted(distinct, trained[0]))]
        message = f"all training rows have the class {only[:40]}; at least two classes are needed"
        raise UnusableSource(message, member="y")
    _refuse_unlearned(targets, trained)
    order = _sort(texts)
    # The argsort of a permutation is its inverse.
    ranks = np.argsort(order)
    encoded = {name: ranks[np.searchsorted(distinct, values)].astype(np.int64) for name, values in targets.items()}
    classes = tuple(texts[index] for index in order)
    if names is not None and classes == tuple(map(str, range(len(names)))):
        return encoded, names
    return encoded, classes


def _refuse_marks(targets: Mapping[str, Array], distinct: Array) -> None:
    """Refuses a number beside the classes 0, 1, 2, ... that other programs write where there is no label."""
    if distinct.dtype.kind not in "iu" or len(distinct) <= MIN_CLASSES_BESIDE_MARK:
        return
    marks = [value for value in (int(distinct[0]), int(distinct[-1])) if value in MARKS]
    classes = [int(value) for value in distinct if int(value) not in marks]
    if not marks or classes != list(range(len(classes))):
        return
    name, rows = next(
        (name, rows) for name, values in targets.items() if len(rows := np.flatnonzero(values == marks[0]))
    )
    raise UnusableSource(
        f"{name} has {marks[0]} in {count_of(len(rows), 'row')}, the first is row {rows[0]:,} (from 0), beside the "
        f"classes 0 to {classes[-1]}: such a number means that there is no label. Leave these rows out; if it is a "
        "class, save the names of the classes as text",
        member=name,
    )


def _refuse_unlearned(targets: Mapping[str, Array], trained: Array) -> None:
    """Refuses classes that the training rows do not have."""
    for name, values in targets.items():
        found, counts = np.unique(values[~np.isin(values, trained)], return_counts=True)
        if not len(found):
            continue
        named = [
            f"{quote(text)} ({count_of(int(count), 'row')})"
            for text, count in zip(_as_texts(found), counts, strict=True)
        ]
        raise UnusableSource(
            f"the {name.removeprefix('y_')} split has {count_of(len(found), 'class')} that no training row has, so a "
            f"model cannot learn {'it' if len(found) == 1 else 'them'}: {listed(named, MAX_NAMED)}. Add training rows "
            "of each class, or remove these rows",
            member=name,
        )


def _sort(texts: list[str]) -> list[int]:
    """Returns the order of the texts, sorted as numbers if all of them are numbers, so that 10 comes after 9."""
    numbers = [parse_number(text) for text in texts]
    if None in numbers:
        return list(range(len(texts)))
    return sorted(range(len(texts)), key=lambda index: (numbers[index], texts[index]))


def parse_number(text: str) -> float | None:
    """Returns the number, or None if the text is none; unlike `float`, it refuses `1_000`."""
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _as_texts(distinct: Array) -> list[str]:
    try:
        texts = [value.decode() if isinstance(value, bytes) else str(value) for value in distinct]
        # A text may contain a lone surrogate, which cannot be encoded when the card is written.
        "".join(texts).encode()
    except ValueError as error:
        raise UnusableSource("the name of a class is not valid Unicode text") from error
    return texts


def _types(targets: Mapping[str, Array]) -> str:
    return ", ".join(f"{name}: {values.dtype}" for name, values in targets.items())
