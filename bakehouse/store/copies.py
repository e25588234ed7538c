"""Keeps the copies on this machine of what is in a bucket below their limit."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from bakehouse.settings import Settings
from bakehouse.store.bucket import Bucket
from bakehouse.store.bucket_folders import HIDDEN_MANIFEST, MANIFEST
from bakehouse.store.errors import StoreAway
from bakehouse.store.file_store import UNFINISHED, remove, sizes

FOLDERS = (
    "artifacts/*/run_*/checkpoints/*",
    "artifacts/*/run_*/resume/*",
    "store/datasets/packed/*",
    "store/uploads/*/source",
)
"""What a home keeps copies of. In a home that was not copied into its bucket yet, these are the only ones."""
EVICTED = ".evicted"
TRIM_EVERY_SECONDS = 60.0
# Somebody may have found a copy and not opened it yet.
IN_USE_SECONDS = 600.0


class CopyLimit:
    """Deletes the copies that were not used for longest, whenever there are too many."""

    def __init__(self, settings: Settings, bucket: Bucket) -> None:
        self._has = bucket.has
        self._home = settings.home
        self._limit = settings.cache_bytes
        # A training of a second must not look through all of them.
        self._next = time.monotonic() + TRIM_EVERY_SECONDS

    def enforce(self) -> None:
        """Looks whether copies must be deleted, at most once a minute."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + TRIM_EVERY_SECONDS
            trim_copies(self._home, self._limit, self._has)


def trim_copies(home: Path, limit: int, has: Callable[[str], bool]) -> int:
    """Deletes the copies that were not used for longest until the rest are below the limit; returns the bytes freed.
    `has` tells whether the bucket has an object: what it lacks is no copy, and stays."""
    found = sorted((used_at(path), path, size_of(path)) for path in find_copies(home))
    excess = sum(size for _, _, size in found) - limit
    freed = 0
    for used, path, size in found:
        if freed >= excess or time.time() - used < IN_USE_SECONDS:
            break
        try:
            if has(manifest_key(home, path)) and evict(path, used):
                freed += size
        except StoreAway:
            break  # nobody knows what the bucket has
    return freed


def find_copies(home: Path) -> list[Path]:
    """Returns all whole copies. Deletes what a process that was killed has left of evicted ones."""
    paths = [path for pattern in FOLDERS for path in home.glob(pattern)]
    for path in paths:
        if path.name.endswith(EVICTED):
            shutil.rmtree(path, ignore_errors=True)
    return [path for path in paths if not path.name.startswith(".") and not path.name.endswith(UNFINISHED)]


def manifest_key(home: Path, path: Path) -> str:
    """Returns the key of the manifest that the bucket has if it has the whole of a folder."""
    kind, *names = path.relative_to(home).parts
    # The files of runs are below the folder of a tenant.
    return "/".join(("runs", *names[1:], MANIFEST) if kind == "artifacts" else (*names, HIDDEN_MANIFEST))


def evict(path: Path, used: float) -> bool:
    """Deletes a copy unless it was used after this time; returns whether it did."""
    # Renamed first, so that no reader finds a half of it.
    doomed = path.with_name(f".{path.name}{EVICTED}")
    if used_at(path) != used:
        return False
    try:
        path.rename(doomed)
    except OSError:
        return False  # another process was faster
    remove(doomed)
    return True


def mark_used(path: Path) -> bool:
    """Notes that a copy is used now, because what was used last is kept longest; returns whether it is there."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def used_at(path: Path) -> float:
    """Returns when a copy was written or used; 0 if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def size_of(path: Path) -> int:
    """Returns the bytes of a copy; 0 if it is gone."""
    try:
        return sum(sizes(path))
    except FileNotFoundError:
        return 0
