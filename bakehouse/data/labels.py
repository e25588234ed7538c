"""Targets as they stand in files, made into class numbers or floats."""

from collections.abc import Mapping

import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array
from bakehouse.data.precision import narrowed

MAX_CLASSES = 10_000

Targets = tuple[dict[str, Array], tuple[str, ...] | None]
"""The targets by name, and the classes in the order of their numbers; null for regression."""


def encode_targets(targets: Mapping[str, Array], names: tuple[str, ...] | None = None) -> Targets:
    """Floats are values to predict; whole numbers, booleans and text are classes, sorted.

    `names` stand for the classes 0, 1, ...
    """
    kinds = {values.dtype.kind for values in targets.values()}
    if kinds == {"f"}:
        return narrowed(targets, "y", (0,)), None
    if not (kinds <= set("iub") or kinds <= set("US")):
        raise UnusableSource(f"targets must all be numbers or all text, but are {_types(targets)}")
    distinct = np.unique(np.concatenate([np.unique(values) for values in targets.values()]))
    if len(distinct) > MAX_CLASSES:
        raise UnusableSource(f"y has {len(distinct)} different whole numbers or texts: store y as floats to regress")
    texts = _texts(distinct)
    if len(np.unique(targets["y"])) == 1:
        raise UnusableSource(
            f"all rows to train on have one class, of {', '.join(texts[:5])}: there is nothing to learn"
        )
    order = _order(texts)
    ranks = np.argsort(order)
    encoded = {name: ranks[np.searchsorted(distinct, values)].astype(np.int64) for name, values in targets.items()}
    classes = tuple(texts[position] for position in order)
    return encoded, names if names is not None and classes == tuple(map(str, range(len(names)))) else classes


def _order(texts: list[str]) -> list[int]:
    """As numbers where all are, so that 10 comes after 9."""
    numbers = [number(text) for text in texts]
    if None in numbers:
        return list(range(len(texts)))
    return sorted(range(len(texts)), key=lambda position: (numbers[position], texts[position]))


def number(text: str) -> float | None:
    """The number that a text spells; Python by itself would also take `1_000`."""
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _texts(distinct: Array) -> list[str]:
    try:
        texts = [value.decode() if isinstance(value, bytes) else str(value) for value in distinct]
        "".join(texts).encode()
    except ValueError as error:
        raise UnusableSource("the name of a class is not Unicode text") from error
    return texts


def _types(targets: Mapping[str, Array]) -> str:
    return ", ".join(f"{name}: {values.dtype}" for name, values in targets.items())
