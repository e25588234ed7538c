"""Reading the files of MNIST and its kin."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.idx import FILES, holds_idx, read_idx


def test_four_files_are_pictures_with_a_test_split(tmp_path: Path, save_idx: Callable[[Path], None]) -> None:
    save_idx(tmp_path / "mnist")
    assert holds_idx(tmp_path / "mnist")
    samples = read_idx(tmp_path / "mnist", None)
    assert samples.arrays["x"].shape == (30, 1, 5, 7)
    assert samples.arrays["x"][1, 0, 0].tolist() == [35, 36, 37, 38, 39, 40, 41]
    assert samples.arrays["y_test"].tolist() == list(range(10))
    assert samples.classes == tuple("0123456789")


def test_classes_may_have_names(tmp_path: Path, save_idx: Callable[[Path], None]) -> None:
    save_idx(tmp_path / "mnist")
    names = tuple("abcdefghij")
    assert read_idx(tmp_path / "mnist", names).classes == names


@pytest.mark.parametrize(
    "content",
    [
        b"plain",
        gzip.compress(b""),
        gzip.compress(bytes([0, 0, 8, 3]) + bytes(12)),
        gzip.compress(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(7)),
        gzip.compress(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(9)),
        gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(8)),
        gzip.compress(bytes([0, 0, 8, 3] + [127, 255, 255, 255] * 3)),
        gzip.compress(bytes(1000))[:-10],
    ],
    ids=["plain", "empty", "no sizes", "a row short", "a byte too many", "labels", "huge", "cut off"],
)
def test_files_that_are_not_what_they_say_are_refused(
    tmp_path: Path, save_idx: Callable[[Path], None], content: bytes
) -> None:
    save_idx(tmp_path / "mnist")
    (tmp_path / "mnist" / FILES["x"]).write_bytes(content)
    with pytest.raises(UnusableSource, match=r"train-images-idx3-ubyte\.gz"):
        read_idx(tmp_path / "mnist", None)
