"""Further targets of `.npz` files."""

from pathlib import Path

import numpy as np
import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.further_targets import encode_further_target, find_names
from bakehouse.data.readers.npz import read_npz

LABELS = np.arange(12) % 3
ROWS = np.linspace(0, 1, 48).reshape(12, 4)


def test_names_come_from_arrays() -> None:
    entries = ["x", "y", "y_validation", "y_test", "x_test", "y_b", "y_b_test", "y_a", "y_test_b", "y_"]
    assert find_names(entries) == ["a", "b", "test_b"]


@pytest.mark.parametrize(
    ("values", "classes", "encoded", "missing"),
    [
        (np.array([7, 3, -1] * 4), ("3", "7"), [1, 0, -1] * 4, 4),
        (np.array(["b", "", "a"] * 4), ("a", "b"), [1, -1, 0] * 4, 4),
        (np.array([b"b", b"", b"a"] * 4), ("a", "b"), [1, -1, 0] * 4, 4),
        (np.array([True, False] * 6), ("False", "True"), [1, 0] * 6, 0),
        (np.array([255, 0] * 6, np.uint8), ("0", "255"), [1, 0] * 6, 0),
        (np.array([0.5, np.nan, 2.0] * 4), None, np.array([0.5, np.nan, 2.0] * 4, np.float32), 4),
    ],
)
def test_labels_may_be_missing(
    values: np.ndarray, classes: tuple[str, ...] | None, encoded: list[int], missing: int
) -> None:
    arrays, target = encode_further_target("a", {"": values, "_test": values[:2]})
    assert (target.name, target.classes, target.missing) == ("a", classes, missing)
    np.testing.assert_array_equal(arrays[""], encoded)
    np.testing.assert_array_equal(arrays["_test"], encoded[:2])
    if classes is None:
        assert target.minimum == 0.5
    else:
        assert target.class_counts == tuple(np.bincount([label for label in encoded if label >= 0]))


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"y_a": LABELS[:11]}, "y_a has 11 rows, but x has 12"),
        ({"y_a": LABELS, "x_test": ROWS, "y_test": LABELS}, "the array y_a_test is missing"),
        ({"y_a": np.full(12, -1)}, "y_a: no training row has a label"),
        ({"y_a": np.array([1, -1] * 6)}, "y_a: all training rows have the class 1; at least two"),
        ({"y_a": np.array([np.nan, 1, np.inf] * 4)}, "y_a: y holds nan, infinity or"),
        ({"y_a": ROWS}, "y_a must hold one value for each row"),
        ({f"y_{'a' * 65}": LABELS}, "the name of a target must have 1 to 64 printable characters"),
    ],
)
def test_unusable_targets_are_explained(tmp_path: Path, arrays: dict[str, np.ndarray], problem: str) -> None:
    np.savez(tmp_path / "a.npz", allow_pickle=False, x=ROWS, y=LABELS, **arrays)
    with pytest.raises(UnusableSource) as caught:
        read_npz(tmp_path / "a.npz")
    assert problem in str(caught.value)


def test_missing_labels_are_noted(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=ROWS, y=LABELS, y_a=np.where(LABELS == 0, -1, LABELS))
    samples = read_npz(tmp_path / "a.npz")
    assert samples.notes == ["y_a has no label in 4 rows"]
    assert samples.arrays["target1"].tolist() == [-1, 0, 1] * 4
