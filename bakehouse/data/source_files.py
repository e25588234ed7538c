"""Opens the files and folders of data sets. Links are not followed, and pipes, sockets and devices are not opened.

A link could show other files of the machine to clients, and a pipe would make its reader wait for ever. Each name is
opened relative to the folder that holds it, so that a link that replaces a folder meanwhile is not followed either.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal

from bakehouse.data.errors import UnusableSource

Kind = Literal["file", "folder", "symbolic link", "named pipe", "socket", "device"]

READ_BYTES_PER_SECOND = 2 << 20
"""Speed of reading that the limits on time allow for, for example that of scaling photographs."""
KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "symbolic link",
    stat.S_IFIFO: "named pipe",
    stat.S_IFSOCK: "socket",
}


def kind_of(status: os.stat_result) -> Kind:
    """Returns the kind of a path whose links were not followed."""
    return KINDS.get(stat.S_IFMT(status.st_mode), "device")


def refusal(kind: Kind) -> str:
    """Returns the reason why a link, pipe, socket or device is not read."""
    if kind == "symbolic link":
        return "is a symbolic link, which Bakehouse does not follow: copy or move the data here"
    return f"is a {kind}, but a data set consists of regular files and folders: remove it or copy the data here"


def is_folder(source: Path) -> bool:
    """Whether a data set is a folder, and not a file or a link."""
    return kind_of(source.lstat()) == "folder"


def extra_seconds(source: Path) -> int:
    """Returns the seconds by which the limits on the time of its reader are longer for a source of this size."""
    return count_bytes(source) // READ_BYTES_PER_SECOND


def count_bytes(source: Path) -> int:
    """Returns the size of a file, or of all files in a folder. What cannot be looked at counts as nothing."""
    total = 0
    inside = ((folder, names) for folder, _, names in os.walk(source))
    for folder, names in chain([(str(source.parent), [source.name])], inside):
        for name in names:
            with suppress(OSError):
                total += Path(folder, name).lstat().st_size
    return total


def exists(source: Path, *names: str) -> bool:
    """Whether the folder of a data set has an entry at the path `names`, of whatever kind."""
    try:
        with open_folder(source, *names[:-1]) as folder:
            os.stat(names[-1], dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def list_folder(source: Path, *names: str) -> dict[str, Kind]:
    """Returns the names in a folder of a data set, in alphabetical order, and the kind of each."""
    with open_folder(source, *names) as folder, os.scandir(folder) as scan:
        # The order of scandir is arbitrary, but the packed data must be the same on any machine.
        entries = sorted(scan, key=lambda entry: entry.name)
        return {entry.name: kind_of(entry.stat(follow_symlinks=False)) for entry in entries}


def open_file(source: Path, *names: str) -> BinaryIO:
    """Opens the file of a data set, or the file at the path `names` in its folder."""
    *folders, name = (source.name, *names)
    with _walk_down(source.parent, folders) as folder:
        return os.fdopen(_open(folder, name, "file"), "rb")


@contextmanager
def open_folder(source: Path, *names: str) -> Iterator[int]:
    """Yields a descriptor of the folder of a data set, or of the folder at the path `names` in it."""
    with _walk_down(source.parent, (source.name, *names)) as folder:
        yield folder


@contextmanager
def _walk_down(start: Path, names: tuple[str, ...] | list[str]) -> Iterator[int]:
    # The user chose this folder in the settings, so it may be a link.
    folder = os.open(start, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in names:
            inner = _open(folder, name, "folder")
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _open(folder: int, name: str, wanted: Kind) -> int:
    # To open a device may already have an effect, such as rewinding a tape, so its kind is looked at first.
    _check_kind(os.stat(name, dir_fd=folder, follow_symlinks=False), name, wanted)
    # A link or a pipe may have taken the place of the file since then.
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        _check_kind(os.fstat(descriptor), name, wanted)
    except UnusableSource:
        os.close(descriptor)
        raise
    return descriptor


def _check_kind(status: os.stat_result, name: str, wanted: Kind) -> None:
    kind = kind_of(status)
    if kind == wanted:
        return
    if kind in ("file", "folder"):
        raise UnusableSource(f"{name} is a {kind}, not a {wanted}")
    raise UnusableSource(f"{name} {refusal(kind)}")
