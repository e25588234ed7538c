"""Opening the files of data sets, wherever links, pipes and devices are among them."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.packing import describe, read_source
from bakehouse.data.readers.cifar import FORMS
from bakehouse.data.readers.idx import FILES
from bakehouse.data.source_files import exists, list_folder, open_file

NEVER_ENDING = os.makedev(1, 5)
"""The number of /dev/zero."""


def make_link(path: Path) -> None:
    """Puts a link in the place of a file; the file goes out of the data folder."""
    elsewhere = path.parents[3] / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    path.symlink_to(path.rename(elsewhere / path.name) if path.exists() else elsewhere)


def make_socket(path: Path) -> None:
    path.unlink(missing_ok=True)
    # The path of a socket is limited to about a hundred bytes, so the folder is named by its descriptor.
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def make_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def make_device(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    path.unlink(missing_ok=True)
    os.mknod(path, 0o20644, NEVER_ENDING)


MAKE: dict[str, Callable[[Path], None]] = {
    "symbolic link": make_link, "named pipe": make_pipe, "socket": make_socket, "device": make_device,
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder."""
    folder = tmp_path / "a" / "data"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("name", ["x.csv", "x.npz"])
def test_what_is_no_file_is_not_read(data: Path, name: str, kind: str) -> None:
    path = data / name
    (data / "set").mkdir()
    MAKE[kind](data / "set" / name)
    (data / "set" / name).rename(path)
    with pytest.raises(UnusableSource, match=f"{name} is a {kind}"):
        read_source(path, describe("x", path))


@pytest.mark.parametrize("kind", MAKE)
def test_one_of_four_idx_files_that_is_no_file_is_refused(
    data: Path, save_idx: Callable[[Path], None], kind: str
) -> None:
    save_idx(data / "mnist")
    MAKE[kind](data / "mnist" / FILES["y_test"])
    with pytest.raises(UnusableSource, match=f"t10k-labels-idx1-ubyte.gz is a {kind}"):
        read_source(data / "mnist", describe("mnist", data / "mnist"))


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("name", [FORMS[0].archive, FORMS[0].train[0], FORMS[0].test, FORMS[0].folder])
def test_a_file_or_folder_of_cifar_that_is_none_is_refused(data: Path, name: str, kind: str) -> None:
    folder = data / "cifar10"
    folder.mkdir()
    if name == FORMS[0].test:
        for train in FORMS[0].train:
            (folder / train).write_bytes(bytes(3073))
    MAKE[kind](folder / name)
    with pytest.raises(UnusableSource, match=f"{name} is a {kind}"):
        read_source(folder, describe("cifar10", folder))


@pytest.mark.parametrize("kind", MAKE)
def test_pictures_and_class_folders_that_are_none_are_left_out_and_noted(
    data: Path, save_picture: Callable[..., None], kind: str
) -> None:
    for i in range(12):
        save_picture(data / "pets" / ("dog" if i % 2 else "cat") / f"{i:02}.png", 10 * i)
    MAKE[kind](data / "pets" / "cat" / "zz.png")
    MAKE[kind](data / "pets" / "linked")
    samples = read_source(data / "pets", describe("pets", data / "pets"))
    assert samples.classes == ("cat", "dog")  # type: ignore[union-attr]
    [note] = samples.notes
    assert note.startswith(f"linked is a {kind}, ")
    assert note.endswith("; 1 more link or device passed over")


def test_a_folder_of_links_alone_says_that_none_are_followed(data: Path) -> None:
    (data / "pets").mkdir()
    make_link(data / "pets" / "cat")
    with pytest.raises(UnusableSource, match=r"it holds no pictures: .*; cat is a symbolic link, which .* not follow"):
        read_source(data / "pets", describe("pets", data / "pets"))


def test_a_folder_that_is_swapped_for_a_link_is_not_entered(data: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.png").write_bytes(b"secret")
    (data / "set" / "cat").mkdir(parents=True)
    assert list_folder(data, "set") == {"cat": "folder"}
    (data / "set" / "cat").rmdir()
    (data / "set" / "cat").symlink_to(tmp_path / "secret")
    for look in (exists, open_file):
        with pytest.raises(UnusableSource, match="cat is a symbolic link"):
            look(data, "set", "cat", "a.png")
    with pytest.raises(UnusableSource, match="cat is a symbolic link"):
        list_folder(data, "set", "cat")


def test_a_file_that_is_swapped_for_a_link_or_pipe_after_the_look_is_not_read(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "set").mkdir()
    (data / "set" / "a.csv").write_text("a,b")
    found = os.stat(data / "set" / "a.csv")  # noqa: PTH116
    monkeypatch.setattr(os, "stat", lambda *_, **__: found)
    make_pipe(data / "set" / "a.csv")
    with pytest.raises(UnusableSource, match=r"a\.csv is a named pipe"):
        open_file(data / "set" / "a.csv")
    (data / "set" / "a.csv").unlink()
    (data / "set" / "a.csv").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        open_file(data / "set" / "a.csv")


def test_a_data_folder_may_be_a_link_itself(data: Path, tmp_path: Path) -> None:
    (data / "a.csv").write_text("a,b")
    (tmp_path / "link").symlink_to(data)
    with open_file(tmp_path / "link" / "a.csv") as file:
        assert file.read() == b"a,b"
