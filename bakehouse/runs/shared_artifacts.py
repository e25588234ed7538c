"""Stores checkpoints, resume states and archived logs in a bucket, which services and workers of all machines read.

The folder of `Artifacts` then has copies: what this machine has written, so that it need not fetch it, and what it has
fetched. A file is written there first, then to the bucket, and only then named in the record of its run. A disk that is
full keeps nothing from the bucket.
"""

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from pathlib import Path
from typing import TypeVar

from bakehouse.runs.artifacts import (
    LOG,
    MANIFEST,
    RESUME_STATE,
    RUN_ID,
    SHA256,
    UNFINISHED,
    WEIGHTS,
    Artifacts,
    Damaged,
    StoredCheckpoint,
    checked,
    compress_log,
    manifest_bytes,
    newest_first,
    read_lines,
    step_of,
    storage_errors,
    time_written,
    verifies,
)
from bakehouse.runs.errors import LogDamaged, StorageFull, StorageUnavailable
from bakehouse.store.bucket import Bucket
from bakehouse.store.bucket_folders import FolderDamaged, delete_folder, fetch_folder, list_folders, put_folder
from bakehouse.store.bucket_folders import read_folder as read_stored_folder
from bakehouse.store.copies import CopyLimit, mark_used
from bakehouse.store.errors import StoreAway, StoreRefused
from bakehouse.store.object_store import MARKER

RUNS = "runs"
PROBE = "probe"
# A marker that was right is not read again for this time, and neither is it tried whether the bucket takes files.
KEEP_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
# A signal must not wait for the end of a pause.
NAP_SECONDS = 0.1

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class SharedArtifacts(Artifacts):
    """Stores the files of runs in a bucket, and copies of them in a folder. Belongs to the process that has made it."""

    def __init__(self, root: Path, bucket: Bucket, limit: CopyLimit | None = None) -> None:
        super().__init__(root)
        self._bucket = bucket
        self._limit = limit
        self._tell: Callable[[str, str], None] | None = None
        self._give_up_at = inf
        self._is_away = False
        self._marker: str | None = None
        self._marker_until = -inf
        self._probed_until = -inf

    def be_patient(self, tell: Callable[[str, str], None]) -> None:
        """Waits from now on while the bucket is away, and tells so once."""
        self._tell = tell

    def hurry(self, seconds: float) -> None:
        """Ends all such waiting after this time."""
        self._give_up_at = min(self._give_up_at, time.monotonic() + seconds)

    # Checkpoints

    @storage_errors()
    def write_checkpoint(self, run_id: str, weights: bytes, manifest: Mapping[str, object]) -> StoredCheckpoint:
        """Writes weights into a folder named by their digest."""
        sha256 = hashlib.sha256(weights).hexdigest()
        self._keep_copy(lambda: super(SharedArtifacts, self).write_checkpoint(run_id, weights, manifest))
        files = {WEIGHTS: weights}
        self._write(f"{checkpoints_of(run_id)}/{sha256}", files, manifest_bytes(files, manifest), may_exist=True)
        return StoredCheckpoint(sha256, len(weights))

    def checkpoint_path(self, run_id: str, sha256: str) -> Path:
        """Returns the path of a copy of a checkpoint's weights, which is fetched first if it is not here. There is none
        if the bucket has none. Raises OSError."""
        path = super().checkpoint_path(run_id, sha256)
        if mark_used(path.parent) and path.is_file():
            return path
        try:
            self._wait(lambda: fetch_folder(self._bucket, f"{checkpoints_of(run_id)}/{sha256}", path.parent))
        except FileNotFoundError:
            pass  # whoever opens the path finds out
        except FolderDamaged as error:
            raise StoreAway(f"a checkpoint in it is damaged: {error}") from error
        self._limit_copies()
        return path

    @storage_errors()
    def delete_checkpoint(self, run_id: str, sha256: str) -> int:
        """Deletes a checkpoint and returns the bytes freed in the bucket; 0 if it does not exist."""
        freed = delete_folder(self._bucket, f"{checkpoints_of(run_id)}/{checked(SHA256, sha256)}")
        super().delete_checkpoint(run_id, sha256)
        return freed

    # Resume states

    @storage_errors()
    def write_resume(self, run_id: str, step: int, files: Mapping[str, bytes]) -> str:
        """Writes a resume state under a name that no other process can choose, and returns the name."""
        name = self._keep_copy(lambda: super(SharedArtifacts, self).write_resume(run_id, step, files))
        name = name or f"{step}-{secrets.token_hex(8)}"
        self._write(f"{resumes_of(run_id)}/{name}", files, manifest_bytes(files, {"step": step}))
        return name

    @storage_errors()
    def delete_resume_state(self, run_id: str, name: str) -> int:
        """Deletes a resume state and returns the bytes freed; 0 if it does not exist."""
        key = f"{resumes_of(run_id)}/{checked(RESUME_STATE, name)}"
        freed = self._wait(lambda: delete_folder(self._bucket, key))
        return max(freed, super().delete_resume_state(run_id, name))

    @storage_errors()
    def prune_resume_states(self, run_id: str, *, keep: int = 2) -> int:
        """Deletes all but the `keep` newest resume states; returns the bytes freed."""
        super().prune_resume_states(run_id, keep=keep)
        return self._tidy(lambda: self._prune(run_id, keep))

    def _prune(self, run_id: str, keep: int) -> int:
        newest = self._stored_resume_states(run_id)
        names = sorted(newest, key=lambda name: (step_of(name), newest[name]), reverse=True)[keep:]
        return sum(delete_folder(self._bucket, f"{resumes_of(run_id)}/{name}") for name in names)

    def _stored_resume_states(self, run_id: str) -> dict[str, int]:
        """Returns the time in nanoseconds of each complete resume state in the bucket, by name."""
        listed = list_folders(self._bucket, resumes_of(run_id))
        return {name: round(at.timestamp() * 1e9) for name, at in listed.items() if RESUME_STATE.fullmatch(name)}

    def _resume_states(self, run_id: str) -> list[str]:
        # A state may be here alone: this machine was cut off before it could publish it.
        states = newest_first(self._resumes(run_id))
        here = {folder.name: time for folder in states if (time := time_written(folder))}
        known = {**here, **self._wait(lambda: self._stored_resume_states(run_id))}
        return sorted(known, key=lambda name: (step_of(name), known[name]), reverse=True)

    def _read_resume(self, run_id: str, name: str) -> dict[str, bytes]:
        try:
            return super()._read_resume(run_id, name)
        except Damaged:
            return self._read_stored(f"{resumes_of(run_id)}/{name}")

    def _read_stored(self, key: str) -> dict[str, bytes]:
        """Returns the files of a folder in the bucket. Raises Damaged."""
        try:
            return self._wait(lambda: read_stored_folder(self._bucket, key))
        except (FileNotFoundError, FolderDamaged) as error:
            raise Damaged(str(error)) from error

    # Logs

    @storage_errors()
    def write_log(self, run_id: str, lines: Iterable[str]) -> None:
        """Writes the log of a finished run, compressed, in place of an earlier one. No copy is kept: another machine
        may replace the log, if Redis has lost the end of the run."""
        files = {LOG: compress_log(lines)}
        self._write(f"{run_key(run_id)}/log", files, manifest_bytes(files, {}))

    def read_log(self, run_id: str) -> Iterator[str]:
        """Yields the lines of an archived log. Raises LogDamaged, and StorageUnavailable."""
        yield from read_lines(run_id, self._compressed_log(run_id))

    @storage_errors()
    def _compressed_log(self, run_id: str) -> bytes:
        try:
            return self._read_stored(f"{run_key(run_id)}/log")[LOG]
        except (Damaged, KeyError) as error:
            raise LogDamaged(run_id) from error

    # All of a run

    @storage_errors()
    def sweep(self, run_id: str) -> int:
        """Deletes half-written folders of earlier attempts; returns the bytes freed."""
        super().sweep(run_id)
        return self._tidy(lambda: self._delete_unfinished(run_id))

    def _delete_unfinished(self, run_id: str) -> int:
        unfinished: dict[str, list[str]] = {}
        # Not the log: another process may be writing it now.
        prefixes = (checkpoints_of(run_id), resumes_of(run_id))
        for each in (each for prefix in prefixes for each in self._bucket.objects(prefix)):
            unfinished.setdefault(each.key.rpartition("/")[0], []).append(each.key)
        lost = [keys for folder, keys in unfinished.items() if f"{folder}/{MANIFEST}" not in keys]
        self._bucket.delete(key for keys in lost for key in keys)
        return len(lost)

    @storage_errors()
    def delete_run(self, run_id: str) -> int:
        """Deletes every file of a run; returns the bytes freed."""
        freed = delete_folder(self._bucket, run_key(run_id))
        return max(freed, super().delete_run(run_id))

    # The store

    def marker(self) -> str | None:
        """Returns the id of the bucket, or None if it has none or its object is damaged.

        Raises StoreAway if it cannot be read, unless this process has read it before.
        """
        if time.monotonic() < self._marker_until:
            return self._marker
        try:
            self._marker = str(json.loads(self._bucket.read(MARKER))["id"])
        except StoreAway:
            # It is the bucket that it was: runs that train need nothing of it at the moment.
            if self._marker is None:
                raise
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            self._marker = None
            return None
        self._marker_until = time.monotonic() + KEEP_SECONDS
        return self._marker

    def make_marker(self) -> str:
        """Returns the id of the bucket. If it has none, writes a random id; of several writers the first wins."""
        self.write_marker(secrets.token_hex(16))
        found = self.marker()
        if found is None:
            raise StoreRefused(f"the object {MARKER} in the bucket {self._bucket.name} is damaged")
        return found

    def write_marker(self, marker: str) -> None:
        """Writes the id of the bucket, unless it has one."""
        self._marker_until = -inf
        self._bucket.create(MARKER, json.dumps({"id": marker}).encode())

    def copy_run(self, folder: Path) -> None:
        """Copies the folder of a run from another place; leaves what is here already, and what is damaged."""
        key = run_key(folder.name)
        there = {each.key.rpartition("/")[0] for each in self._bucket.objects(key) if each.key.endswith(MANIFEST)}
        for manifest in sorted(folder.rglob(MANIFEST)):
            entry = manifest.parent
            name = f"{key}/{entry.relative_to(folder).as_posix()}"
            if name not in there and not entry.name.endswith(UNFINISHED) and verifies(entry):
                files = {path.name: path for path in entry.iterdir() if path != manifest}
                put_folder(self._bucket, name, files, manifest.read_bytes())

    @storage_errors()
    def check_writable(self) -> None:
        """Raises StorageFull if only the reserve of the disk is free, StorageUnavailable if the bucket refuses files. A
        bucket that is away takes them later."""
        super().check_writable()
        if time.monotonic() < self._probed_until:
            return
        try:
            self._bucket.put(PROBE, b"")
            self._bucket.delete([PROBE])
        except StoreRefused:
            raise
        except StoreAway as error:
            log.warning("The store is away: %s", error.strerror)
        self._probed_until = time.monotonic() + KEEP_SECONDS

    # Writing and waiting

    def _keep_copy(self, write: Callable[[], Result]) -> Result | None:
        """Writes a copy on this machine, if its disk takes it."""
        try:
            written = write()
            self._limit_copies()
            return written
        except (StorageFull, StorageUnavailable) as error:
            log.warning("No copy is kept here of what is written to the store: %s", error)
            return None

    def _limit_copies(self) -> None:
        if self._limit is not None:
            self._limit.enforce()

    def _write(self, key: str, files: Mapping[str, bytes], manifest: bytes, *, may_exist: bool = False) -> None:
        started = time.monotonic()
        try:
            self._wait(lambda: self._write_once(key, files, manifest, may_exist=may_exist))
        finally:
            self.store_seconds += time.monotonic() - started

    def _write_once(self, key: str, files: Mapping[str, bytes], manifest: bytes, *, may_exist: bool) -> None:
        # A resumed run may reach an epoch again and write the same checkpoint; then nothing is left to do.
        if may_exist:
            sizes = {each.key.removeprefix(f"{key}/"): each.bytes for each in self._bucket.objects(key)}
            if MANIFEST in sizes and all(sizes.get(name) == len(content) for name, content in files.items()):
                return
        put_folder(self._bucket, key, files, manifest)

    def _tidy(self, work: Callable[[], int]) -> int:
        """Deletes what nobody needs. A training does not fail if that cannot be done now; the supervisor tries again
        when the run is over."""
        try:
            return work()
        except StoreAway as error:
            if self._tell is None:
                raise
            log.warning("What nobody needs is not deleted from the store: %s", error.strerror)
            return 0

    def _wait(self, work: Callable[[], Result]) -> Result:
        """Does something with the bucket; if this process is patient, again and again while the bucket is away."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                result = work()
            except StoreAway as error:
                if self._tell is None or time.monotonic() >= self._give_up_at:
                    raise
                self._note_away(error)
            else:
                self._note_back()
                return result
            self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _sleep(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < min(ends_at, self._give_up_at):
            time.sleep(NAP_SECONDS)

    def _note_away(self, error: StoreAway) -> None:
        if self._tell is not None and not self._is_away:
            self._is_away = True
            waits = "The run goes on as far as it can; files are written as soon as the store takes them."
            self._tell("store_away", f"The store cannot be used at the moment: {error.strerror}. {waits}")

    def _note_back(self) -> None:
        if self._tell is not None and self._is_away:
            self._is_away = False
            self._tell("store_back", "The store can be used again.")


def run_key(run_id: str) -> str:
    """Returns the prefix of all files of a run."""
    return f"{RUNS}/{checked(RUN_ID, run_id)}"


def checkpoints_of(run_id: str) -> str:
    """Returns the prefix of the checkpoints of a run."""
    return f"{run_key(run_id)}/checkpoints"


def resumes_of(run_id: str) -> str:
    """Returns the prefix of the resume states of a run."""
    return f"{run_key(run_id)}/resume"
