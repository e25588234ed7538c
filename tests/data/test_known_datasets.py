"""The built-in data sets are those of scikit-learn, unchanged, and points drawn by formulas."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import datasets

from bakehouse.data.known_datasets import BUILTIN, KNOWN
from bakehouse.data.packed_folders import read_card
from bakehouse.data.packing import fingerprint
from bakehouse.data.parsed import Samples
from tests.packed_arrays import load_arrays

ORIGINALS: dict[str, Callable[[], Any]] = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": lambda: datasets.load_diabetes(scaled=False),
    "digits": datasets.load_digits,
    "digits_sequence": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}


@pytest.mark.parametrize("name", ORIGINALS)
def test_built_in_arrays_are_the_originals(name: str) -> None:
    original, arrays, card = ORIGINALS[name](), load_arrays(BUILTIN / name), read_card(BUILTIN / name)
    np.testing.assert_array_equal(arrays.x.reshape(len(arrays.x), -1), original.data.astype(np.float32))
    np.testing.assert_array_equal(arrays.y, original.target)
    assert (card.id, card.shape, card.counts.train) == (name, arrays.x.shape[1:], len(arrays.x))
    assert (card.minimum, card.maximum) == (arrays.x.min(), arrays.x.max())
    if card.classes is not None:
        assert card.classes == tuple(map(str, original.target_names))
    packed = {path.stem: np.load(path) for path in (BUILTIN / name).glob("*.npy")}
    samples = Samples(kind=card.kind, format=card.format, arrays=packed, classes=card.classes, targets=card.targets)
    assert card.fingerprint == fingerprint(samples, samples.arrays)


def test_digits_are_even_or_odd_too() -> None:
    [parity] = read_card(BUILTIN / "digits").targets
    both = load_arrays(BUILTIN / "digits", tasks=["parity"]).y
    assert (parity.name, parity.classes, parity.missing) == ("parity", ("even", "odd"), 0)
    np.testing.assert_array_equal(both[:, 1], both[:, 0] % 2)


PLAYGROUND = ("circle", "gauss", "spiral", "xor")
"""Data sets of 1,000 points each, with noise 0.1."""


def points(name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The points in float64, and whether each is of the positive class."""
    arrays, card = load_arrays(BUILTIN / name), read_card(BUILTIN / name)
    assert (arrays.x.dtype.name, arrays.x.shape, card.kind, card.classes) == (
        "float32",
        (1000, 2),
        "table",
        ("-1", "1"),
    )
    assert "playground" in card.origin
    return arrays.x.astype(np.float64), arrays.y == 1


def test_a_circle_is_a_disk_in_a_ring_with_labels_wrong_near_the_edge_only() -> None:
    x, is_positive = points("circle")
    radius = np.hypot(*x.T)
    inner, outer = radius[:500], radius[500:]
    assert inner.max() < 2.5
    assert outer.min() > 3.5
    assert outer.max() < 5
    far = np.abs(radius - 2.5) > 0.5 * np.sqrt(2)
    assert (is_positive == (radius < 2.5))[far].all()
    assert 0.9 < (is_positive == (radius < 2.5)).mean() < 1


def test_xor_is_a_product_of_signs_with_labels_wrong_near_the_axes_only() -> None:
    x, is_positive = points("xor")
    assert (np.abs(x) > 0.3).all()
    assert (np.abs(x) < 5.3).all()
    far = (np.abs(x) > 0.5).all(1)
    assert (is_positive == (x.prod(1) > 0))[far].all()
    assert 0.9 < (is_positive == (x.prod(1) > 0)).mean() < 1


def test_gauss_is_normal_around_two_centres_with_variance_1_2() -> None:
    x, is_positive = points("gauss")
    assert is_positive.sum() == 500
    for centre, rows in ((2, x[is_positive]), (-2, x[~is_positive])):
        np.testing.assert_allclose(rows.mean(0), centre, atol=4 * np.sqrt(1.2 / 500))
        np.testing.assert_allclose(np.cov(rows.T), 1.2 * np.eye(2), atol=0.3)


def test_a_spiral_has_two_arms_of_one_and_three_quarter_turns() -> None:
    x, is_positive = points("spiral")
    share = np.arange(500) / 500
    for start, rows in ((0.0, x[is_positive]), (np.pi, x[~is_positive])):
        turn = start + 1.75 * 2 * np.pi * share
        exact = 5 * share[:, None] * np.stack([np.sin(turn), np.cos(turn)], 1)
        noise = rows - exact
        assert 0.099 < np.abs(noise).max() < 0.1001
        assert abs(noise.mean()) < 0.01


def test_digits_as_a_sequence_are_rows_of_pixels_as_steps() -> None:
    pictures, sequences = load_arrays(BUILTIN / "digits"), load_arrays(BUILTIN / "digits_sequence")
    np.testing.assert_array_equal(sequences.x, pictures.x[:, 0])
    card = read_card(BUILTIN / "digits_sequence")
    assert (card.kind, card.shape, card.dtype, card.mirror_safe) == ("sequence", (8, 8), "uint8", False)


def test_all_built_in_data_sets_are_checked() -> None:
    assert {path.name for path in BUILTIN.iterdir()} == {*ORIGINALS, *PLAYGROUND}


@pytest.mark.parametrize(("name", "count"), [("fashion_mnist", 10), ("cifar10", 10), ("cifar100", 100)])
def test_the_classes_of_known_data_sets_have_different_names(name: str, count: int) -> None:
    classes = KNOWN[name].classes
    assert classes is not None
    assert (len(classes), len(set(classes))) == (count, count)


def test_digits_are_not_mirrored_and_end_at_sixteen() -> None:
    card = read_card(BUILTIN / "digits")
    assert (card.dtype, card.maximum, card.mirror_safe) == ("uint8", 16, False)
