"""The store in a folder, which may be on a network drive that several machines mount."""

import fcntl
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# Each name of a key. No name begins with a dot, so that unfinished entries and locks are never listed.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,199}")
UNFINISHED = ".tmp"
MANY_FILES = 100

log = logging.getLogger(__name__)


class FileStore:
    """Stores entries as files and folders below a folder. Any number of threads and processes may use it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def new_path(self, key: str) -> Path:
        """Returns a free path beside the entry, because a rename is atomic only within one file system."""
        path = self._path(key)
        make_folder(path.parent)
        return path.with_name(f".{path.name}-{secrets.token_hex(8)}{UNFINISHED}")

    def put(self, key: str, path: Path) -> bool:
        """Moves a complete file or folder to a key. If the key exists already, deletes `path` and returns False."""
        target = self._path(key)
        make_folder(target.parent)
        sync_tree(path)
        is_new = rename_folder(path, target) if path.is_dir() else link_file(path, target)
        remove(path)
        sync(target.parent)
        return is_new

    def copy(self, key: str, path: Path) -> bool:
        """Does as `put`, but leaves the file or folder where it is."""
        copy = self.new_path(key)
        if path.is_dir():
            shutil.copytree(path, copy)
        else:
            shutil.copyfile(path, copy)
        return self.put(key, copy)

    def open(self, key: str, *, start: int = 0) -> BinaryIO:
        """Opens the file of a key at a position. Raises FileNotFoundError."""
        file = self._path(key).open("rb")
        file.seek(start)
        return file

    def local(self, key: str) -> Path:
        """Returns the path of an entry. Raises FileNotFoundError."""
        path = self._path(key)
        path.lstat()
        return path

    def names(self, prefix: str) -> list[str]:
        """Returns the names directly below a prefix, in alphabetical order."""
        try:
            return sorted(path.name for path in self._path(prefix).iterdir() if NAME.fullmatch(path.name))
        except FileNotFoundError:
            return []

    def delete(self, key: str) -> int:
        """Deletes an entry, or all entries below a key; returns the bytes freed, 0 if there is nothing."""
        path = self._path(key)
        # Renamed first, so that no reader finds a half of it.
        doomed = path.with_name(f".{path.name}-{secrets.token_hex(8)}{UNFINISHED}")
        try:
            path.rename(doomed)
        except FileNotFoundError:
            return 0
        freed = sum(sizes(doomed))
        remove(doomed)
        return freed

    def clean_up(self, prefix: str, *, older_than_seconds: float) -> None:
        """Deletes what processes that were killed have left directly below a prefix."""
        folder = self._path(prefix)
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name.startswith(".") and path.name.endswith(UNFINISHED):
                with suppress(FileNotFoundError):
                    if time.time() - path.lstat().st_mtime > older_than_seconds:
                        remove(path)

    def limit_copies(self) -> None:
        """Does nothing: there are no copies."""

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keeps others from entering a block with the same key; they wait."""
        path = self._path(key)
        make_folder(path.parent)
        # The file is never deleted, or one process could lock the deleted file and another a new one.
        with path.with_name(f".{path.name}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def age_seconds(self, key: str) -> float:
        """Returns the time since an entry, or an entry directly below a key, was put or deleted."""
        return time.time() - self._path(key).stat().st_mtime

    def try_write(self) -> None:
        """Writes and deletes a small entry. Raises OSError if that is not possible."""
        path = self.new_path("probe")
        path.touch()
        path.unlink()

    def sizes(self, key: str) -> Iterator[int]:
        """Yields the size of each file of an entry."""
        return sizes(self._path(key))

    def _path(self, key: str) -> Path:
        names = key.split("/")
        for name in names:
            if not NAME.fullmatch(name):
                raise ValueError(f"not a key of the store: {key!r}")
        return self._root.joinpath(*names)


def rename_folder(path: Path, target: Path) -> bool:
    """Renames a folder unless the target exists; returns whether it did."""
    try:
        path.rename(target)
    except OSError:
        # A rename onto a folder that is not empty fails: then another process was first.
        if not target.is_dir():
            raise
        return False
    return True


def link_file(path: Path, target: Path) -> bool:
    """Gives a file its name in the store unless the name is taken; returns whether it did."""
    # Unlike a rename, a link never replaces another file.
    try:
        target.hardlink_to(path)
    except FileExistsError:
        return False
    return True


def sizes(path: Path) -> Iterator[int]:
    """Yields the size of a file, or of each file in a folder."""
    for each in path.rglob("*") if path.is_dir() else (path,):
        status = each.lstat()
        if not each.is_dir():
            yield status.st_size


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there. Whatever cannot be removed is left, with a warning."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("Something in %s cannot be deleted: %s", path, error)
        shutil.rmtree(path, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Makes the folder and its parents, and syncs each to disk."""
    if folder.is_dir():
        return
    # `Path.mkdir(parents=True)` would not sync the names of the parents.
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync_tree(path: Path) -> None:
    """Syncs a file, or a folder with everything in it, to disk."""
    paths = [path, *path.rglob("*")] if path.is_dir() else [path]
    # For each of many small files the disk would be waited for.
    if len(paths) > MANY_FILES:
        os.sync()
        return
    for each in paths:
        sync(each)


def sync(path: Path) -> None:
    """Syncs a file, or the list of names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
