"""Reading the binary files of CIFAR-10 and CIFAR-100."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.packing import describe, read_source
from bakehouse.data.readers.cifar import FORMS, Form, holds_cifar, read_cifar

TEN, HUNDRED = FORMS
ROWS = {TEN: 4, HUNDRED: 120}
"""The number of pictures in each file."""


def make_row(number: int, form: Form) -> bytes:
    """Labels, then a red, a green and a blue plane that differ by row and pixel."""
    labels = bytes([number % 10]) if form is TEN else bytes([number % 20, number % 100])
    return labels + ((np.arange(3 * 32 * 32) + number) % 251).astype("u1").tobytes()


def make_files(form: Form) -> dict[str, bytes]:
    """Small files in the published format; rows are numbered across files."""
    count = ROWS[form]
    return {
        name: b"".join(make_row(index * count + number, form) for number in range(count))
        for index, name in enumerate(form.names)
    }


def write_unpacked(folder: Path, form: Form) -> Path:
    """Writes the files as they are after unpacking."""
    inner = folder / form.folder
    inner.mkdir(parents=True)
    for name, content in make_files(form).items():
        (inner / name).write_bytes(content)
    return folder


def write_archive(folder: Path, form: Form, files: dict[str, bytes]) -> Path:
    """Writes the files into an archive like the published one."""
    folder.mkdir(parents=True)
    with tarfile.open(folder / form.archive, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{form.folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder


@pytest.mark.parametrize("location", ["archive", "unpacked", "its folder"])
@pytest.mark.parametrize("form", FORMS, ids=["cifar10", "cifar100"])
def test_rows_are_labels_and_three_planes_wherever_they_are(tmp_path: Path, form: Form, location: str) -> None:
    if location == "archive":
        folder = write_archive(tmp_path / "set", form, {"readme.html": b"hello", **make_files(form)})
    else:
        folder = write_unpacked(tmp_path / "set", form) / ("" if location == "unpacked" else form.folder)
    assert holds_cifar(folder)
    samples = read_cifar(folder, None)
    train, classes = ROWS[form] * len(form.train), 10 if form is TEN else 100
    assert samples.arrays["x"].shape == (train, 3, 32, 32)
    assert samples.arrays["x_test"].shape == (ROWS[form], 3, 32, 32)
    assert samples.arrays["x"].dtype == np.uint8
    assert samples.arrays["x"][7, 1, 2, 3] == (1024 + 2 * 32 + 3 + 7) % 251
    assert samples.arrays["y"].tolist() == [number % classes for number in range(train)]
    assert samples.arrays["y_test"].tolist() == [number % classes for number in range(train, train + ROWS[form])]
    assert samples.classes == tuple(map(str, range(classes)))


@pytest.mark.parametrize(("name", "form"), [("cifar10", TEN), ("cifar100", HUNDRED)])
def test_a_known_name_gives_names_to_the_classes(tmp_path: Path, name: str, form: Form) -> None:
    folder = write_unpacked(tmp_path / name, form)
    samples = read_source(folder, describe(name, folder))
    assert samples.kind == "image"  # type: ignore[union-attr]
    assert samples.classes is not None  # type: ignore[union-attr]
    assert samples.classes[3] == {"cifar10": "cat", "cifar100": "bear"}[name]  # type: ignore[union-attr]


@pytest.mark.parametrize(("form", "name"), [(form, name) for form in FORMS for name in form.pickled])
def test_pickles_are_not_read(tmp_path: Path, form: Form, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    assert holds_cifar(tmp_path)
    with pytest.raises(UnusableSource, match=f"never reads pickles: use the binary version, {form.archive}"):
        read_cifar(tmp_path, None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (write_unpacked(tmp_path, TEN) / TEN.folder / "data_batch_4.bin").unlink()
    with pytest.raises(UnusableSource, match=r"data_batch_4\.bin is missing"):
        read_cifar(tmp_path, None)


@pytest.mark.parametrize("content", [b"", b"0" * 3072, b"0" * 3074])
def test_files_that_are_not_rows_are_refused(tmp_path: Path, content: bytes) -> None:
    folder = write_archive(tmp_path / "set", TEN, {**make_files(TEN), "test_batch.bin": content})
    with pytest.raises(UnusableSource, match=r"test_batch\.bin is damaged: .* each picture takes 3,073"):
        read_cifar(folder, None)


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "set", TEN, make_files(TEN)) / TEN.archive
    whole = path.read_bytes()
    for damaged in (b"plain", whole[: len(whole) // 2], gzip.compress(b"no archive" * 100)):
        path.write_bytes(damaged)
        with pytest.raises(UnusableSource, match="damaged or not a"):
            read_cifar(path.parent, None)


def test_an_archive_of_too_many_files_is_refused(tmp_path: Path) -> None:
    folder = write_archive(tmp_path / "set", TEN, {f"{number}.bin": b"" for number in range(101)})
    with pytest.raises(UnusableSource, match="holds more than 100 files"):
        read_cifar(folder, None)


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    folder = write_archive(tmp_path / "set", TEN, {})
    with tarfile.open(folder / TEN.archive, "w:gz") as archive:
        for name in TEN.names:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    with pytest.raises(UnusableSource, match=r"data_batch_1\.bin is missing"):
        read_cifar(folder, None)
