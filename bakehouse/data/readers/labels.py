"""Turns the targets in files into class numbers or floats."""

from collections.abc import Mapping

import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array
from bakehouse.data.precision import narrow_if_exact

MAX_CLASSES = 10_000

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
        raise UnusableSource(f"targets must all be numbers or all text, but are {_types(targets)}")
    distinct = np.unique(np.concatenate([np.unique(values) for values in targets.values()]))
    if len(distinct) > MAX_CLASSES:
        raise UnusableSource(
            f"y has {len(distinct):,} classes (different whole numbers or texts); at most {MAX_CLASSES:,} are "
            "allowed. To predict a number, store y as floats"
        )
    texts = _as_texts(distinct)
    # Only training rows count, because a model learns nothing from the classes of other splits.
    trained = np.unique(targets["y"])
    if len(trained) == 1:
        only = texts[int(np.searchsorted(distinct, trained[0]))]
        raise UnusableSource(f"all training rows have the class {only[:40]}; at least two classes are needed")
    order = _sort(texts)
    # The argsort of a permutation is its inverse.
    ranks = np.argsort(order)
    encoded = {name: ranks[np.searchsorted(distinct, values)].astype(np.int64) for name, values in targets.items()}
    classes = tuple(texts[index] for index in order)
    if names is not None and classes == tuple(map(str, range(len(names)))):
        return encoded, names
    return encoded, classes


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
