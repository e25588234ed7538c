"""The store in a bucket. A folder beside it has copies of its folders, which can be read and mapped; entries that are
files are always read from the bucket."""

import io
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from bakehouse.store.bucket import PART_BYTES, Bucket, StoredObject
from bakehouse.store.bucket_folders import (
    HIDDEN_MANIFEST,
    FolderDamaged,
    delete_folder,
    digest_file,
    fetch_folder,
    put_folder,
)
from bakehouse.store.bucket_lock import hold_lock
from bakehouse.store.copies import CopyLimit, mark_used
from bakehouse.store.errors import StoreAway
from bakehouse.store.file_store import NAME, FileStore, remove
from bakehouse.store.object_store import MARKER

LOCKS = "locks"
PROBE = "probe"


class BucketStore:
    """Stores entries in a bucket. Any number of threads and processes of all machines may use it."""

    def __init__(self, bucket: Bucket, copies: Path, limit: CopyLimit | None = None) -> None:
        self._bucket = bucket
        self._copies = FileStore(copies)
        self._limit = limit

    def new_path(self, key: str) -> Path:
        """Returns a free path on this machine, at which an entry can be written before `put` publishes it."""
        return self._copies.new_path(key)

    def put(self, key: str, path: Path) -> bool:
        """Moves a complete file or folder to a key. If the key exists already, deletes `path` and returns False."""
        is_new = self.copy(key, path)
        if is_new and path.is_dir():
            # This machine need not fetch what it has written.
            self._copies.put(key, path)
        remove(path)
        return is_new

    def copy(self, key: str, path: Path) -> bool:
        """Does as `put`, but leaves the file or folder where it is."""
        checked_key(key)
        return self._put_folder(key, path) if path.is_dir() else self._put_file(key, path)

    def _put_file(self, key: str, path: Path) -> bool:
        if path.stat().st_size <= PART_BYTES:
            return self._bucket.create(key, path.read_bytes())
        if self._bucket.has(key):
            return False
        self._bucket.put(key, path)
        return True

    def _put_folder(self, key: str, path: Path) -> bool:
        if self._bucket.has(f"{key}/{HIDDEN_MANIFEST}"):
            return False
        paths = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
        listed = {name: {"bytes": file.stat().st_size, "sha256": digest_file(file)} for name, file in paths.items()}
        manifest = json.dumps({"files": listed}, sort_keys=True, indent=1).encode()
        put_folder(self._bucket, key, paths, manifest, name=HIDDEN_MANIFEST)
        return True

    def open(self, key: str, *, start: int = 0) -> BinaryIO:
        """Opens the file of a key at a position. Raises FileNotFoundError."""
        reader = io.BufferedReader(ObjectReader(self._bucket, self._bucket.head(checked_key(key))), PART_BYTES)
        reader.seek(start)
        return reader

    def local(self, key: str) -> Path:
        """Returns the path of a copy of a folder, which is fetched first if it is not here. Raises
        FileNotFoundError."""
        try:
            path = self._copies.local(key)
        except FileNotFoundError:
            return self._fetch(key)
        # It may have been deleted in this moment, to make room.
        return path if mark_used(path) else self._fetch(key)

    def _fetch(self, key: str) -> Path:
        path = self._copies.new_path(key)
        target = path.with_name(key.rpartition("/")[2])
        try:
            fetch_folder(self._bucket, key, target, name=HIDDEN_MANIFEST)
        except FolderDamaged as error:
            raise StoreAway(f"an entry of it is damaged: {error}") from error
        self.limit_copies()
        return target

    def names(self, prefix: str) -> list[str]:
        """Returns the names directly below a prefix, in alphabetical order."""
        return [name for name in self._bucket.names(checked_key(prefix)) if NAME.fullmatch(name)]

    def delete(self, key: str) -> int:
        """Deletes an entry, or all entries below a key; returns the bytes freed, 0 if there is nothing."""
        freed = delete_folder(self._bucket, checked_key(key))
        if not freed:
            freed = self._delete_file(key)
        # Without a marker, a service may still be copying the home into the bucket: then they are no copies.
        if self._bucket.has(MARKER):
            self._copies.delete(key)
        return freed

    def _delete_file(self, key: str) -> int:
        try:
            size = self._bucket.head(key).bytes
        except FileNotFoundError:
            return 0
        self._bucket.delete([key])
        return size

    def clean_up(self, prefix: str, *, older_than_seconds: float) -> None:
        """Deletes what processes of this machine that were killed have left directly below a prefix."""
        self._copies.clean_up(prefix, older_than_seconds=older_than_seconds)

    def limit_copies(self) -> None:
        """Deletes the copies that were not used for longest, if there are too many; looks at most once a minute."""
        if self._limit is not None:
            self._limit.enforce()

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keeps others from entering a block with the same key; they wait."""
        # Those of this machine wait without asking the bucket.
        with self._copies.lock(key), hold_lock(self._bucket, f"{LOCKS}/{checked_key(key).replace('/', '~')}"):
            yield

    def age_seconds(self, key: str) -> float:
        """Returns the time since an entry, or an entry below a key, was put. Raises FileNotFoundError."""
        newest = max((each.modified for each in self._below(key)), default=None)
        if newest is None:
            raise FileNotFoundError(key)
        return (datetime.now(UTC) - newest).total_seconds()

    def try_write(self) -> None:
        """Writes and deletes a small entry. Raises OSError if that is not possible."""
        key = f"{PROBE}-{secrets.token_hex(8)}"
        self._bucket.put(key, b"")
        self._bucket.delete([key])

    def sizes(self, key: str) -> Iterator[int]:
        """Yields the size of each file of an entry."""
        found = self._below(key)
        if not found:
            raise FileNotFoundError(key)
        yield from (each.bytes for each in found if not each.key.endswith(f"/{HIDDEN_MANIFEST}"))

    def _below(self, key: str) -> list[StoredObject]:
        found = self._bucket.objects(checked_key(key))
        return found or ([self._bucket.head(key)] if self._bucket.has(key) else [])


class ObjectReader(io.RawIOBase):
    """Reads an object a part at a time."""

    def __init__(self, bucket: Bucket, stored: StoredObject) -> None:
        self._bucket = bucket
        self._stored = stored
        self._position = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a position and returns it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._stored.bytes}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # what `io` passes
        """Fills a buffer from the position on; returns the number of bytes."""
        end = min(self._position + len(buffer), self._stored.bytes)
        if end <= self._position:
            return 0
        content = self._bucket.read_range(self._stored.key, self._position, end)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def checked_key(key: str) -> str:
    """Returns the key, or raises ValueError if it is not one."""
    for name in key.split("/"):
        if not NAME.fullmatch(name):
            raise ValueError(f"not a key of the store: {key!r}")
    return key
