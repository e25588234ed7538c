"""The sets that are shipped are scikit-learn's, unchanged."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from bakehouse.data.contents import Samples
from bakehouse.data.folders import read_card
from bakehouse.data.known import BUILTIN
from bakehouse.data.loading import load
from bakehouse.data.packed import fingerprint

ORIGINALS: dict[str, Callable[[], Any]] = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": lambda: datasets.load_diabetes(scaled=False),
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}


@pytest.mark.parametrize("name", ORIGINALS)
def test_shipped_arrays_are_the_originals(name: str) -> None:
    original, arrays, card = ORIGINALS[name](), load(BUILTIN / name), read_card(BUILTIN / name)
    np.testing.assert_array_equal(arrays.x.reshape(len(arrays.x), -1), original.data.astype(np.float32))
    np.testing.assert_array_equal(arrays.y, original.target)
    assert (card.id, card.shape, card.counts.train) == (name, arrays.x.shape[1:], len(arrays.x))
    assert (card.minimum, card.maximum) == (arrays.x.min(), arrays.x.max())
    if card.classes is not None:
        assert card.classes == tuple(map(str, original.target_names))
    samples = Samples(kind=card.kind, arrays={"x": arrays.x, "y": arrays.y}, classes=card.classes)
    assert card.fingerprint == fingerprint(samples, samples.arrays)


def test_all_shipped_sets_are_checked() -> None:
    assert {path.name for path in BUILTIN.iterdir()} == set(ORIGINALS)


def test_digits_are_not_mirrored_and_end_at_sixteen() -> None:
    card = read_card(BUILTIN / "digits")
    assert (card.dtype, card.maximum, card.mirror_safe) == ("uint8", 16, False)
