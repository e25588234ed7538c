"""Defines the store: the place of files that are written once and that services and workers of all machines read.

The key of an entry is a path of names. An entry is a file or a folder; it appears complete, and never changes.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

MARKER = "marker"
"""What names the store: written last when a home is copied into it."""


class ObjectStore(Protocol):
    """Keeps files and folders under keys. `FileStore` does so in a folder; other backends need the same methods."""

    def new_path(self, key: str) -> Path:
        """Returns a free path on this machine, at which an entry can be written before `put` publishes it."""

    def put(self, key: str, path: Path) -> bool:
        """Moves a complete file or folder to a key; it is there for good when this returns. If the key exists already,
        deletes `path` and returns False."""

    def copy(self, key: str, path: Path) -> bool:
        """Does as `put`, but leaves the file or folder where it is."""

    def open(self, key: str, *, start: int = 0) -> BinaryIO:
        """Opens the file of a key at a position. Raises FileNotFoundError."""

    def local(self, key: str) -> Path:
        """Returns a path on this machine at which an entry can be read and mapped. Raises FileNotFoundError."""

    def names(self, prefix: str) -> list[str]:
        """Returns the names directly below a prefix, in alphabetical order."""

    def delete(self, key: str) -> int:
        """Deletes an entry, or all entries below a key; returns the bytes freed, 0 if there is nothing."""

    def clean_up(self, prefix: str, *, older_than_seconds: float) -> None:
        """Deletes what processes that were killed have left directly below a prefix."""

    def limit_copies(self) -> None:
        """Makes room for new copies of entries on this machine, if the store keeps such copies."""

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Keeps others from entering a block with the same key; they wait."""

    def age_seconds(self, key: str) -> float:
        """Returns the time since an entry, or an entry directly below a key, was put or deleted."""

    def try_write(self) -> None:
        """Writes and deletes a small entry. Raises OSError if that is not possible."""

    def sizes(self, key: str) -> Iterator[int]:
        """Yields the size of each file of an entry."""
