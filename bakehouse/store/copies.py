"""Keeps the copies on this machine of what is in a bucket below their limit."""

import time
from pathlib import Path

from bakehouse.settings import Settings
from bakehouse.store.file_store import remove, sizes

FOLDERS = (
    "artifacts/*/run_*/checkpoints/*",
    "artifacts/*/run_*/resume/*",
    "store/datasets/packed/*",
    "store/uploads/*/source",
)
"""What a home keeps copies of. All of it is in the bucket, or in the memory of the process that is writing it there."""
TRIM_EVERY_SECONDS = 60.0
# Somebody may have found a copy and not opened it yet.
IN_USE_SECONDS = 600.0


class CopyLimit:
    """Deletes the copies that were not used for longest, whenever there are too many."""

    def __init__(self, settings: Settings) -> None:
        self._home = settings.home
        self._limit = settings.cache_bytes
        # A training of a second must not look through all of them.
        self._next = time.monotonic() + TRIM_EVERY_SECONDS

    def enforce(self) -> None:
        """Looks whether copies must be deleted, at most once a minute."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + TRIM_EVERY_SECONDS
            trim_copies(self._home, self._limit)


def trim_copies(home: Path, limit: int) -> int:
    """Deletes the copies that were not used for longest until the rest are below the limit; returns the bytes freed."""
    found = sorted((used_at(path), path, size_of(path)) for pattern in FOLDERS for path in home.glob(pattern))
    excess = sum(size for _, _, size in found) - limit
    freed = 0
    for used, path, size in found:
        if freed >= excess or time.time() - used < IN_USE_SECONDS:
            break
        # Renamed first, so that no reader finds a half of it.
        doomed = path.with_name(f".{path.name}.evicted")
        try:
            path.rename(doomed)
        except OSError:
            continue  # another process was faster
        remove(doomed)
        freed += size
    return freed


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
