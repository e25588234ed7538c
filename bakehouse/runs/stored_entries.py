"""Lists, verifies and deletes what a store holds of runs, whether a record names it or not."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from bakehouse.runs.artifacts import (
    MANIFEST,
    RESUME_STATE,
    RUN_ID,
    SHA256,
    UNFINISHED_FOLDER,
    WEIGHTS,
    Artifacts,
    Damaged,
    children,
    delete_folder,
    read_folder,
)
from bakehouse.settings import Settings

LOG = "log"
KINDS = {"checkpoints": SHA256, "resume": RESUME_STATE}


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A folder of a run: a checkpoint, a resume state or the archived log."""

    run_id: str
    name: str
    """Such as `checkpoints/<sha256>`."""
    bytes: int
    age_seconds: float
    is_complete: bool

    @property
    def key(self) -> str:
        """The name by which messages call it."""
        return f"{self.run_id}/{self.name}"


class StoredEntries(Protocol):
    """All that a store holds of runs."""

    def all(self) -> Iterator[StoredEntry]:
        """Yields each entry."""

    def read(self, entry: StoredEntry) -> dict[str, bytes]:
        """Returns the files of an entry. Raises Damaged."""

    def delete(self, entry: StoredEntry) -> int:
        """Deletes an entry; returns the bytes freed."""


def problem_of(entries: StoredEntries, entry: StoredEntry) -> str | None:
    """Returns why an entry is damaged; None if it is not."""
    try:
        files = entries.read(entry)
    except Damaged as error:
        return str(error)
    kind, _, name = entry.name.partition("/")
    if kind == "checkpoints" and hashlib.sha256(files.get(WEIGHTS, b"")).hexdigest() != name:
        return "its weights are not those by whose digest it is named"
    return None


class FolderEntries:
    """Lists, reads and deletes the files of all runs in a store that is a folder."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def all(self) -> Iterator[StoredEntry]:
        """Yields each entry."""
        for run in self._artifacts.run_folders():
            for kind, pattern in KINDS.items():
                for folder in sorted(children(run / kind)):
                    if pattern.fullmatch(folder.name) or UNFINISHED_FOLDER.fullmatch(folder.name):
                        yield entry_of(run.name, f"{kind}/{folder.name}", folder)
            if (run / LOG).is_dir():
                yield entry_of(run.name, LOG, run / LOG)

    def read(self, entry: StoredEntry) -> dict[str, bytes]:
        """Returns the files of an entry. Raises Damaged."""
        return read_folder(self._folder(entry))

    def delete(self, entry: StoredEntry) -> int:
        """Deletes an entry; returns the bytes freed."""
        return delete_folder(self._folder(entry))

    def _folder(self, entry: StoredEntry) -> Path:
        return self._artifacts.attempts_folder(entry.run_id).parent / entry.name


def entry_of(run_id: str, name: str, folder: Path) -> StoredEntry:
    """Returns the entry in a folder."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    is_complete = not UNFINISHED_FOLDER.fullmatch(folder.name) and (folder / MANIFEST).is_file()
    return StoredEntry(run_id, name, sum(sizes), time.time() - folder.stat().st_mtime, is_complete)


class BucketEntries:
    """Lists, reads and deletes the files of all runs in a store that is a bucket of S3."""

    def __init__(self, settings: Settings) -> None:
        # Imported here, because a process whose store is a folder needs nothing of obstore.
        from bakehouse.store import bucket, bucket_folders

        self._folders = bucket_folders
        self._bucket = bucket.Bucket(settings)

    def all(self) -> Iterator[StoredEntry]:
        """Yields each entry."""
        for run_id in filter(RUN_ID.fullmatch, self._bucket.names("runs")):
            found: dict[str, list[tuple[str, int, datetime]]] = {}
            for each in self._bucket.objects(f"runs/{run_id}"):
                name, _, file = each.key.removeprefix(f"runs/{run_id}/").rpartition("/")
                found.setdefault(name, []).append((file, each.bytes, each.modified))
            for name, files in sorted(found.items()):
                age = (datetime.now(UTC) - max(modified for _, _, modified in files)).total_seconds()
                is_complete = any(file == MANIFEST for file, _, _ in files)
                yield StoredEntry(run_id, name, sum(size for _, size, _ in files), age, is_complete)

    def read(self, entry: StoredEntry) -> dict[str, bytes]:
        """Returns the files of an entry. Raises Damaged."""
        try:
            return self._folders.read_folder(self._bucket, f"runs/{entry.key}")
        except (FileNotFoundError, self._folders.FolderDamaged) as error:
            raise Damaged(str(error)) from error

    def delete(self, entry: StoredEntry) -> int:
        """Deletes an entry; returns the bytes freed."""
        return self._folders.delete_folder(self._bucket, f"runs/{entry.key}")


def open_entries(settings: Settings) -> StoredEntries:
    """Returns what the store of the settings holds of runs."""
    return FolderEntries(Artifacts(settings.artifacts)) if settings.bucket is None else BucketEntries(settings)
