"""Reading `.npz` files, good ones and hostile ones."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.npz import holds_npy, read_npy_folder, read_npz

LABELS = np.arange(12) % 3
ROWS = np.linspace(0, 1, 48).reshape(12, 4)


@pytest.mark.parametrize(
    ("x", "kind", "shape", "dtype"),
    [
        (ROWS, "table", (12, 4), "float32"),
        (np.arange(48, dtype=np.uint8).reshape(12, 4), "table", (12, 4), "float32"),
        (np.zeros((12, 8, 6), np.uint8), "image", (12, 1, 8, 6), "uint8"),
        (np.zeros((12, 3, 8, 6), np.uint8), "image", (12, 3, 8, 6), "uint8"),
        (np.zeros((12, 8, 6, 3), np.uint8), "image", (12, 3, 8, 6), "uint8"),
        (np.zeros((12, 8, 6), np.int64), "image", (12, 1, 8, 6), "float32"),
        (np.asfortranarray(ROWS.astype(">f8")), "table", (12, 4), "float32"),
    ],
)
def test_inputs_become_tables_or_channels_first(
    tmp_path: Path, x: np.ndarray, kind: str, shape: tuple[int, ...], dtype: str
) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=x, y=LABELS)
    samples = read_npz(tmp_path / "a.npz")
    assert (samples.kind, samples.arrays["x"].shape, samples.arrays["x"].dtype.name) == (kind, shape, dtype)
    if kind == "table":
        np.testing.assert_array_equal(samples.arrays["x"], x.astype(np.float32))


@pytest.mark.parametrize(
    ("x", "kind", "shape", "dtype"),
    [
        (np.zeros((12, 8, 6)), "sequence", (12, 8, 6), "float32"),
        (np.zeros((12, 8, 6), np.uint8), "sequence", (12, 8, 6), "float32"),
        (np.zeros((12, 8, 6), np.uint8), "image", (12, 1, 8, 6), "uint8"),
        (np.zeros((12, 8, 6, 3), np.uint8), "image", (12, 3, 8, 6), "uint8"),
        (ROWS, "table", (12, 4), "float32"),
    ],
)
def test_a_file_may_say_what_it_holds(
    tmp_path: Path, x: np.ndarray, kind: str, shape: tuple[int, ...], dtype: str
) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=x, y=LABELS, kind=kind)
    samples = read_npz(tmp_path / "a.npz")
    assert (samples.kind, samples.arrays["x"].shape, samples.arrays["x"].dtype.name) == (kind, shape, dtype)
    assert set(samples.arrays) == {"x", "y"}


@pytest.mark.parametrize("is_said", [False, True])
def test_steps_that_look_like_pictures_are_noted(tmp_path: Path, is_said: bool) -> None:
    arrays = {"x": np.zeros((12, 8, 6)), "y": LABELS} | ({"kind": np.array("sequence")} if is_said else {})
    np.savez(tmp_path / "a.npz", allow_pickle=False, **arrays)
    notes = read_npz(tmp_path / "a.npz").notes
    assert any('kind="sequence"' in note for note in notes) != is_said


@pytest.mark.parametrize(
    ("y", "classes", "encoded"),
    [
        (np.array([7, 3, 7] * 4), ("3", "7"), [1, 0, 1] * 4),
        (np.array([True, False] * 6), ("False", "True"), [1, 0] * 6),
        (np.array(["b", "a", "c"] * 4), ("a", "b", "c"), [1, 0, 2] * 4),
        (np.array(["10", "9", "1"] * 4), ("1", "9", "10"), [2, 1, 0] * 4),
        (np.array([b"b", b"a"] * 6), ("a", "b"), [1, 0] * 6),
        (np.array([[0], [1]] * 6), ("0", "1"), [0, 1] * 6),
        (np.linspace(0, 1, 12), None, np.linspace(0, 1, 12, dtype=np.float32)),
    ],
)
def test_targets_are_sorted_classes_or_float32(
    tmp_path: Path, y: np.ndarray, classes: tuple[str, ...] | None, encoded: list[int]
) -> None:
    np.savez(tmp_path / "a.npz", x=ROWS, y=y)
    samples = read_npz(tmp_path / "a.npz")
    assert samples.classes == classes
    np.testing.assert_array_equal(samples.arrays["y"], encoded)


def test_floats_that_look_like_classes_are_noted(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=ROWS, y=LABELS.astype(float))
    assert "store classes as whole numbers, booleans or text" in read_npz(tmp_path / "a.npz").notes[0]


def test_own_splits_share_their_classes(tmp_path: Path) -> None:
    y_test = np.array([2, 0])
    np.savez(tmp_path / "a.npz", x=ROWS, y=LABELS, x_test=ROWS[:2], y_test=y_test, unrelated=LABELS)
    samples = read_npz(tmp_path / "a.npz")
    assert set(samples.arrays) == {"x", "y", "x_test", "y_test"}
    assert samples.classes == ("0", "1", "2")
    np.testing.assert_array_equal(samples.arrays["y_test"], [2, 0])


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"x": ROWS}, "the array y is missing; the file holds x; save the inputs as x"),
        ({"a": ROWS, "b": LABELS}, "the array x is missing; the file holds a, b; save the inputs as x"),
        ({"x": ROWS, "y": LABELS, "x_test": ROWS}, "the array y_test is missing"),
        ({"x": ROWS[:9], "y": LABELS[:9]}, "9 rows are too few to train on; at least 10 are needed"),
        ({"x": ROWS, "y": LABELS[:11]}, "x has 12 rows, but y has 11"),
        (
            {"x": ROWS.T, "y": LABELS},
            "x has 4 rows, but y has 12; they must match: its rows are its last axis, save x.T",
        ),
        ({"x": ROWS, "y": np.zeros(12, int)}, "all training rows have the class 0; at least two"),
        (
            {"x": ROWS, "y": np.zeros((12, 2))},
            "such as a class number, or one-hot rows of zeros and one 1, but has the shape (12, 2)",
        ),
        ({"x": ROWS[:, 0], "y": LABELS}, "x has the shape (12,); a table has 2 axes"),
        (
            {"x": np.where(ROWS > 0.9, np.nan, ROWS), "y": LABELS},
            "x holds nan, infinity or a number beyond the range of float32 in row 10",
        ),
        ({"x": ROWS + 1e300, "y": LABELS}, "x holds nan, infinity or a number beyond the range of float32 in row 0"),
        (
            {"x": ROWS, "y": np.full(12, np.inf)},
            "y holds nan, infinity or a number beyond",
        ),
        ({"x": ROWS.astype(str), "y": LABELS}, "x must hold numbers"),
        ({"x": ROWS.astype(complex), "y": LABELS}, "x must hold at least one number or text, but has complex numbers"),
        ({"x": ROWS[:0], "y": LABELS[:0]}, "with shape (0, 4)"),
        (
            {"x": ROWS, "y": LABELS, "x_test": ROWS[:, :3], "y_test": LABELS},
            "a row of x_test is floats with shape (3,), but a row of x is",
        ),
        ({"x": ROWS, "y": LABELS, "x_test": ROWS, "y_test": ROWS[:, 0]}, "targets must all be numbers or all text"),
        ({"x": ROWS, "y": np.array(["\udcff", "a"] * 6)}, "the name of a class is not valid Unicode text"),
        ({"x": ROWS, "y": LABELS, "kind": "sequence"}, "kind is 'sequence', but x has 2 axes; use 'table'"),
        ({"x": ROWS[:, None], "y": LABELS, "kind": "sequences"}, "kind is 'sequences', but x has 3 axes"),
        ({"x": ROWS[:, None], "y": LABELS, "kind": np.array([7.5])}, "kind is '7.5'"),
    ],
)
def test_unusable_arrays_are_explained(tmp_path: Path, arrays: dict[str, np.ndarray], problem: str) -> None:
    np.savez(tmp_path / "a.npz", allow_pickle=False, **arrays)
    with pytest.raises(UnusableSource) as caught:
        read_npz(tmp_path / "a.npz")
    assert problem in str(caught.value)


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("arrays", "member"),
    [
        ({"x": ROWS.astype(complex), "y": LABELS}, "x"),
        ({"X": ROWS.astype(str), "y": LABELS}, "X"),
        ({"x": ROWS, "labels": ROWS}, "labels"),
        ({"x": ROWS[:9], "y": LABELS}, "x"),
    ],
)
def test_the_refused_array_is_named_as_in_the_file(tmp_path: Path, arrays: dict[str, np.ndarray], member: str) -> None:
    np.savez(tmp_path / "a.npz", allow_pickle=False, **arrays)
    with pytest.raises(UnusableSource) as caught:
        read_npz(tmp_path / "a.npz")
    assert caught.value.member == member


def test_objects_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([Canary(tmp_path / "hatched")] * 12, dtype=object), y=LABELS)
    with pytest.raises(UnusableSource, match="Python objects, which are never loaded"):
        read_npz(tmp_path / "a.npz")
    assert not (tmp_path / "hatched").exists()


def make_header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    """The start of an `.npy` file that claims this shape."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"shape": shape, "fortran_order": False, "descr": descr})
    return stream.getvalue()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (make_header((10**12, 1)) + bytes(800), "x is damaged: its header promises 8,000,000,000,000 bytes"),
        (make_header((-10, -10)) + bytes(800), "with shape (-10, -10)"),
        (make_header((10, 10)) + bytes(799), "x is damaged: its header promises 800 bytes"),
        (make_header((10, 10), "|V8") + bytes(800), "must hold at least one number or text"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, "x is not a numpy array"),
        (b"not numpy at all", "x is not a numpy array"),
    ],
)
def test_lying_headers_are_found_before_anything_is_read(tmp_path: Path, entry: bytes, problem: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", entry)
        archive.writestr("y.npy", entry)
    with pytest.raises(UnusableSource) as caught:
        read_npz(tmp_path / "a.npz")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "header",
    [
        "(",
        "  x\n y",
        "{[]: 1}",
        "-" * 5000,
        "{'descr': '<04', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': (), 'fortran_order': False, 'shape': (1,)}",
    ],
)
def test_a_header_that_python_cannot_read_is_refused(tmp_path: Path, header: str) -> None:
    entry = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(8)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", entry)
        archive.writestr("y.npy", entry)
    with pytest.raises(UnusableSource, match="x is not a numpy array, or it is damaged"):
        read_npz(tmp_path / "a.npz")


def test_an_entry_that_inflates_too_far_is_refused_unread(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((300, 8 << 10)), y=np.arange(300) % 2)
    with pytest.raises(UnusableSource, match=r"x is \d+ times as large as its compressed form; at most 100"):
        read_npz(tmp_path / "a.npz")


def test_sorted_labels_may_compress_as_well_as_they_like(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(100_000, 2))
    np.savez_compressed(tmp_path / "a.npz", x=rows, y=np.arange(100_000) // 50_000)
    assert read_npz(tmp_path / "a.npz").classes == ("0", "1")


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=(64, 64)), y=np.arange(64) % 2)
    whole = path.read_bytes()
    middle = len(whole) // 2
    damaged = {"cut": whole[:middle], "flipped": whole[:middle] + bytes(9) + whole[middle + 9 :], "text": b"a,b\n1,2\n"}
    path.write_bytes(damaged[damage])
    with pytest.raises(UnusableSource, match="the file is damaged or not an npz file"):
        read_npz(path)


@pytest.mark.parametrize(
    ("x", "channels", "is_noted"),
    [
        (np.zeros((12, 8, 8, 6)), 6, True),
        (np.zeros((12, 6, 8, 8)), 6, True),
        (np.zeros((12, 9, 8, 6)), 6, True),
        (np.zeros((12, 2, 9, 8)), 2, True),
        (np.zeros((12, 9, 8, 2)), 2, True),
        (np.zeros((12, 8, 8, 12)), 12, True),
        (np.zeros((12, 8, 8, 8)), 8, True),
        (np.zeros((12, 8, 8, 1)), 1, True),
        (np.zeros((12, 1, 8, 8)), 1, False),
        (np.zeros((12, 3, 4, 4)), 3, False),
    ],
)
def test_the_axis_of_the_channels_is_found_by_the_shape(
    tmp_path: Path, x: np.ndarray, channels: int, is_noted: bool
) -> None:
    x[:] = np.arange(x[0].size).reshape(x.shape[1:]) % 200
    np.savez(tmp_path / "a.npz", x=x.astype(np.uint8), y=LABELS)
    samples = read_npz(tmp_path / "a.npz")
    assert samples.arrays["x"].shape[1] == channels
    np.testing.assert_array_equal(
        samples.arrays["x"], x if x.shape[1:] == samples.arrays["x"].shape[1:] else x.transpose(0, 3, 1, 2)
    )
    assert bool(samples.notes) == is_noted


@pytest.mark.parametrize("dtype", [np.float64, np.uint8, np.bool_, ">i4"])
def test_one_hot_rows_are_classes(tmp_path: Path, dtype: str) -> None:
    np.savez(tmp_path / "a.npz", x=ROWS, y=np.eye(3)[LABELS].astype(dtype), x_val=ROWS[:2], y_val=np.eye(3)[[2, 0]])
    samples = read_npz(tmp_path / "a.npz")
    assert samples.classes == ("0", "1", "2")
    assert samples.arrays["y"].tolist() == LABELS.tolist()
    assert samples.arrays["y_validation"].tolist() == [2, 0]
    assert "y was read as one-hot: the class of a row is the place of its 1, from 0" in samples.notes


@pytest.mark.parametrize("y", [np.eye(3)[LABELS] * 2, np.eye(3)[LABELS] + np.eye(3)[(LABELS + 1) % 3], ROWS])
def test_other_rows_of_numbers_are_no_classes(tmp_path: Path, y: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", x=ROWS, y=y)
    with pytest.raises(UnusableSource, match="one-hot rows of zeros and one 1, but has the shape"):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("change", [">f4", "<f2", ">f8", "<f8", ">i8", "fortran", "?"])
def test_numbers_of_any_type_and_order_are_read(tmp_path: Path, change: str) -> None:
    whole = (np.arange(48).reshape(12, 4) % 2).astype("f8")
    x = np.asfortranarray(whole) if change == "fortran" else whole.astype(change)
    np.savez(tmp_path / "a.npz", x=x, y=LABELS.astype(">i2"))
    samples = read_npz(tmp_path / "a.npz")
    assert samples.arrays["x"].dtype == np.float32
    np.testing.assert_array_equal(samples.arrays["x"], whole)
    assert samples.arrays["y"].tolist() == LABELS.tolist()


def test_names_and_notes_say_which_array_is_what(tmp_path: Path) -> None:
    images = np.zeros((12, 8, 8, 3), np.uint8)
    np.savez(
        tmp_path / "a.npz", train_images=images, train_labels=LABELS[:, None], val_images=images, val_labels=LABELS
    )
    samples = read_npz(tmp_path / "a.npz")
    assert samples.names == {
        "x": "train_images", "y": "train_labels", "x_validation": "val_images", "y_validation": "val_labels"
    }  # fmt: skip
    assert "train_images was read as x" in samples.notes
    np.savez(tmp_path / "a.npz", images=images, labels=LABELS[:11])
    with pytest.raises(
        UnusableSource, match=r"x has 12 rows, but y has 11; .*images was read as x; labels was read as y"
    ):
        read_npz(tmp_path / "a.npz")


def test_a_folder_of_arrays_is_read_like_a_file(tmp_path: Path) -> None:
    assert not holds_npy(tmp_path)
    np.save(tmp_path / "X_train.npy", ROWS)
    np.save(tmp_path / "y_train.npy", LABELS)
    (tmp_path / "notes.txt").write_text("")
    assert holds_npy(tmp_path)
    samples = read_npy_folder(tmp_path)
    np.testing.assert_array_equal(samples.arrays["x"], ROWS.astype(np.float32))
    assert samples.arrays["y"].tolist() == LABELS.tolist()
    assert samples.names == {"x": "X_train", "y": "y_train"}
    (tmp_path / "X_train.npy").write_bytes(make_header((10**10, 1)) + bytes(800))
    with pytest.raises(UnusableSource, match=r"X_train.npy is damaged: its header promises 80,000,000,000 bytes"):
        read_npy_folder(tmp_path)
    (tmp_path / "X_train.npy").unlink()
    with pytest.raises(UnusableSource, match="the array x is missing; the file holds y_train"):
        read_npy_folder(tmp_path)


UNREADABLE = {
    "nan": ({"x": np.where(ROWS > 0.9, np.nan, ROWS)}, "x", "x holds nan"),
    "nan in another split": ({"x_test": ROWS * np.nan, "y_test": LABELS}, "x_test", "x_test holds nan"),
    "labels that are nan": ({"y": np.full(12, np.nan)}, "y", "y holds nan, infinity or a number beyond the range"),
    "one class": ({"y": LABELS * 0}, "y", "all training rows have the class 0"),
    "too few rows": ({"x": ROWS[:5], "y": LABELS[:5]}, "x", "5 rows are too few"),
    "numbers and text": ({"x_test": ROWS, "y_test": LABELS.astype(str)}, "y", "must all be numbers or all text"),
    "a kind that does not fit": ({"kind": np.array("sequence")}, "kind", "kind is 'sequence', but x has 2 axes"),
    "a further target": ({"y_age": np.full(12, np.inf)}, "y_age", "y_age: y holds nan"),
    "a class of the test split alone": (
        {"x_test": ROWS, "y_test": np.where(LABELS == 0, 7, LABELS)}, "y_test",
        "the test split has 1 class that no training row has, so a model cannot learn it: '7' (4 rows). Add training",
    ),
    "a further class of the test split alone": (
        {"y_age": LABELS, "x_test": ROWS, "y_test": LABELS, "y_age_test": LABELS + 1}, "y_age_test",
        "y_age: the test split has 1 class that no training row has",
    ),
    "a mark for no label": (
        {"y": np.where(np.arange(12) == 4, -1, LABELS)}, "y",
        "y has -1 in 1 row, the first is row 4 (from 0), beside the classes 0 to 2: such a number means",
    ),
    "a mark of 8 bits": (
        {"x_test": ROWS, "y_test": np.where(LABELS == 2, 255, LABELS).astype(np.uint8)}, "y_test",
        "y_test has 255 in 4 rows, the first is row 2 (from 0), beside the classes 0 to 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arrays", "member", "problem"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_refusal_names_the_array(tmp_path: Path, arrays: dict[str, np.ndarray], member: str, problem: str) -> None:
    np.savez(tmp_path / "a.npz", allow_pickle=False, **{"x": ROWS, "y": LABELS, **arrays})
    with pytest.raises(UnusableSource) as refused:
        read_npz(tmp_path / "a.npz")
    assert problem in str(refused.value)
    assert refused.value.member == member


def test_a_refusal_names_the_array_as_the_file_does(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", train_images=ROWS, train_labels=LABELS, test_images=ROWS, test_labels=LABELS + 1)
    with pytest.raises(UnusableSource, match="the test split has 1 class") as refused:
        read_npz(tmp_path / "a.npz")
    assert refused.value.member == "test_labels"


@pytest.mark.parametrize("labels", [[-1, 1], [-1, 0, 1], [0, 1, 2, 7], [-2, -1, 0, 1], [1, 2, 255]])
def test_numbers_that_may_be_classes_are_classes(tmp_path: Path, labels: list[int]) -> None:
    np.savez(tmp_path / "a.npz", x=ROWS, y=np.resize(labels, 12))
    assert read_npz(tmp_path / "a.npz").classes == tuple(map(str, labels))
