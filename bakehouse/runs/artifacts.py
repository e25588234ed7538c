"""Stores checkpoints and resume states: folders of files that are written whole or not at all."""

import hashlib
import json
import logging
import os
import re
import secrets
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import zstandard

from bakehouse.runs.errors import LogDamaged, StorageFull, StorageUnavailable, storage_error
from bakehouse.runs.run import Run
from bakehouse.store.file_store import FileStore
from bakehouse.store.object_store import MARKER

MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"
# Folders with this suffix are half written or half deleted: readers skip them, and `sweep` removes them.
UNFINISHED = ".tmp"
LOG = "log.jsonl.zst"

# Disk space that must stay free for logs and for Redis's own files.
RESERVE_BYTES = 64 << 20

# Ids and digests become names of folders; these patterns exclude `/` and `..`.
RUN_ID = re.compile(r"run_[0-9a-z]{12}")
SHA256 = re.compile(r"[0-9a-f]{64}")
# Other names in a run's folders are not ours: a file system may keep `lost+found` or `.snapshot` there.
RESUME_STATE = re.compile(r"[0-9]+-[0-9a-f]{16}")
UNFINISHED_FOLDER = re.compile(r".+-[0-9a-f]{16}\.tmp")

log = logging.getLogger(__name__)


class Damaged(Exception):
    """Raised if a folder's files are not the files that its manifest lists."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint whose weights have been synced to disk."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ResumeFiles:
    """A resume state whose files have the sizes and digests that its manifest lists."""

    name: str
    step: int
    files: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A resume state that is damaged, with the reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class FoundResume:
    """The newest resume state that is usable, if any, and the newer states that are not."""

    state: ResumeFiles | None
    rejected: tuple[Rejected, ...]
    """The states that are damaged."""
    unwanted: tuple[str, ...] = ()
    """The names of the undamaged states that the caller does not want."""


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raises an error of the operating system as StorageFull or StorageUnavailable. Works as a decorator too."""
    try:
        yield
    except OSError as error:
        raise storage_error(error) from error


class Artifacts:
    """Stores the files of one tenant's runs in a folder. Methods that name a run raise StorageFull or
    StorageUnavailable if its files cannot be read, written or deleted. `SharedArtifacts` stores them in a bucket."""

    store_seconds = 0.0
    """Time that writes have spent outside this machine, which takes nothing from a training."""

    def __init__(self, root: Path, tenant: str = "local") -> None:
        self._root = root / tenant

    def be_patient(self, tell: Callable[[str, str], None]) -> None:
        """Waits from now on while a store outside this machine is away, and tells so once. A folder is never away."""

    def hurry(self, seconds: float) -> None:
        """Ends all such waiting after this time. A signal handler may call this."""

    @storage_errors()
    def write_checkpoint(self, run_id: str, weights: bytes, manifest: Mapping[str, object]) -> StoredCheckpoint:
        """Writes weights into a folder named by their digest; an undamaged folder of this name stays as it is."""
        sha256 = hashlib.sha256(weights).hexdigest()
        write_folder(self._checkpoint(run_id, sha256), {WEIGHTS: weights}, manifest)
        return StoredCheckpoint(sha256, len(weights))

    @storage_errors()
    def prepare(self, run_id: str) -> None:
        """Makes the folder of a run's checkpoints, so that the first checkpoint is written sooner."""
        make_folder(self._run(run_id) / "checkpoints")

    def checkpoint_path(self, run_id: str, sha256: str) -> Path:
        """Returns the path of a checkpoint's weights."""
        return self._checkpoint(run_id, sha256) / WEIGHTS

    @storage_errors()
    def delete_checkpoint(self, run_id: str, sha256: str) -> int:
        """Deletes a checkpoint and returns the bytes freed; 0 if it does not exist."""
        return delete_folder(self._checkpoint(run_id, sha256))

    @storage_errors()
    def write_resume(self, run_id: str, step: int, files: Mapping[str, bytes]) -> str:
        """Writes a resume state under a name that no other process can choose, and returns the name."""
        # An attempt that has lost its run may still write the same step; the random part keeps the two states apart.
        name = f"{step}-{secrets.token_hex(8)}"
        write_folder(self._resumes(run_id) / name, files, {"step": step})
        return name

    @storage_errors()
    def newest_resume(self, run_id: str, *, is_wanted: Callable[[ResumeFiles], bool] = lambda _: True) -> FoundResume:
        """Searches the resume states, from the newest to the oldest, for one that is undamaged and wanted."""
        rejected: list[Rejected] = []
        unwanted: list[str] = []
        for name in self._resume_states(run_id):
            try:
                state = ResumeFiles(name, step_of(name), self._read_resume(run_id, name))
            except Damaged as error:
                rejected.append(Rejected(name, str(error)))
                continue
            if is_wanted(state):
                return FoundResume(state, tuple(rejected), tuple(unwanted))
            unwanted.append(name)
        return FoundResume(None, tuple(rejected), tuple(unwanted))

    @storage_errors()
    def delete_resume_state(self, run_id: str, name: str) -> int:
        """Deletes a resume state and returns the bytes freed; 0 if it does not exist."""
        return delete_folder(self._resumes(run_id) / checked(RESUME_STATE, name))

    @storage_errors()
    def prune_resume_states(self, run_id: str, *, keep: int = 2) -> int:
        """Deletes all but the `keep` newest resume states; returns the bytes freed."""
        return sum(delete_folder(folder) for folder in newest_first(self._resumes(run_id))[keep:])

    def clean_up_after(self, run: Run) -> None:
        """Deletes what a run that is over needs no more: resume states and half-written folders; leaves other runs
        alone. The supervisor deletes later what cannot be deleted now."""
        if not run.is_over:
            return
        try:
            self.prune_resume_states(run.id, keep=0)
            self.sweep(run.id)
        except (StorageFull, StorageUnavailable) as error:
            # The run has ended already, and its files harm nobody.
            log.warning("The resume states of %s are not deleted: %s", run.id, error)

    @storage_errors()
    def write_log(self, run_id: str, lines: Iterable[str]) -> None:
        """Writes the log of a finished run, compressed, in place of an earlier file."""
        files = {LOG: compress_log(lines)}
        self.sweep(run_id)
        # Redis may have lost the end of a run whose log was archived, and the run may have ended again in another way.
        if not holds(self._log(run_id), files):
            delete_folder(self._log(run_id))
        write_folder(self._log(run_id), files, {})

    def read_log(self, run_id: str) -> Iterator[str]:
        """Yields the lines of an archived log. Raises LogDamaged if its file is not the one that was written."""
        try:
            compressed = read_folder(self._log(run_id))[LOG]
        except Damaged as error:
            raise LogDamaged(run_id) from error
        yield from read_lines(run_id, compressed)

    @storage_errors()
    def sweep(self, run_id: str) -> int:
        """Deletes half-written folders of earlier attempts; returns the bytes freed. Only for the run's owner, or when
        the run is over."""
        found = [*self._run(run_id).glob(f"*{UNFINISHED}"), *self._run(run_id).glob(f"*/*{UNFINISHED}")]
        return sum(delete_folder(folder) for folder in found if UNFINISHED_FOLDER.fullmatch(folder.name))

    @storage_errors()
    def delete_run(self, run_id: str) -> int:
        """Deletes every file of a run; returns the bytes freed."""
        return delete_folder(self._run(run_id))

    def attempts_folder(self, run_id: str) -> Path:
        """Returns the folder of the logs of a run's attempts; it may not exist."""
        return self._run(run_id) / "attempts"

    def marker(self) -> str | None:
        """Returns the id of this folder, or None if no service has written an id or its file is damaged.

        Raises OSError if the id cannot be read, because a folder on the network may fail for a moment.
        """
        try:
            return read_listed_files(self._root / MARKER)["id"].decode()
        except (FileNotFoundError, NotADirectoryError, Damaged):
            return None

    def make_marker(self) -> str:
        """Returns the id of this folder. If it has none, writes a random id; of several writers the first wins."""
        # An id that cannot be read raises OSError here. `write_folder` would replace it.
        if self.marker() is None:
            self.write_marker(secrets.token_hex(16))
        return read_listed_files(self._root / MARKER)["id"].decode()

    def write_marker(self, marker: str) -> None:
        """Writes the id of this folder, unless it has one."""
        write_folder(self._root / MARKER, {"id": marker.encode()}, {})

    def run_folders(self) -> list[Path]:
        """Returns the folder of each run."""
        return sorted(folder for folder in children(self._root) if RUN_ID.fullmatch(folder.name))

    def copy_run(self, folder: Path) -> None:
        """Copies the folder of a run from another place; leaves what is here already."""
        FileStore(self._root).copy(checked(RUN_ID, folder.name), folder)

    @storage_errors()
    def check_writable(self) -> None:
        """Raises StorageFull if only the reserve of the disk is free, StorageUnavailable if no file can be written."""
        make_folder(self._root)
        # All services use one name, so that a service that is killed here leaves no second file.
        probe = self._root / f"probe{UNFINISHED}"
        refuse_without_room(probe, 0)
        probe.touch()
        probe.unlink(missing_ok=True)

    def _resume_states(self, run_id: str) -> list[str]:
        """Returns the names of the resume states, from the newest to the oldest."""
        return [folder.name for folder in newest_first(self._resumes(run_id))]

    def _read_resume(self, run_id: str, name: str) -> dict[str, bytes]:
        """Returns the files of a resume state. Raises Damaged."""
        return read_folder(self._resumes(run_id) / name)

    def _run(self, run_id: str) -> Path:
        return self._root / checked(RUN_ID, run_id)

    def _checkpoint(self, run_id: str, sha256: str) -> Path:
        return self._run(run_id) / "checkpoints" / checked(SHA256, sha256)

    def _log(self, run_id: str) -> Path:
        return self._run(run_id) / "log"

    def _resumes(self, run_id: str) -> Path:
        return self._run(run_id) / "resume"


def compress_log(lines: Iterable[str]) -> bytes:
    """Returns the content of the file of a log."""
    return zstandard.ZstdCompressor().compress("".join(f"{line}\n" for line in lines).encode())


def read_lines(run_id: str, compressed: bytes) -> Iterator[str]:
    """Yields the lines of the log of a run. Raises LogDamaged."""
    try:
        with zstandard.open(BytesIO(compressed), "rt", encoding="utf-8", newline="\n") as log:
            yield from (line.removesuffix("\n") for line in log)
    except (zstandard.ZstdError, UnicodeDecodeError) as error:
        raise LogDamaged(run_id) from error


def checked(pattern: re.Pattern[str], name: str) -> str:
    """Returns the name, or raises ValueError if it does not match. Names become paths, so each one is checked here."""
    if not pattern.fullmatch(name):
        raise ValueError(f"not a name in the artifact store: {name!r}")
    return name


def write_folder(folder: Path, files: Mapping[str, bytes], manifest: Mapping[str, object]) -> None:
    """Writes the files and their manifest and syncs them to disk. Leaves nothing behind if it raises StorageFull or
    OSError."""
    # A resumed run may reach an epoch again and write the same checkpoint; then nothing is left to do.
    if verifies(folder):
        return
    refuse_without_room(folder, sum(len(content) for content in files.values()))
    try:
        write_once(folder, files, manifest)
    except OSError:
        # The error may have been that of a moment; and the first try's folder is gone, which may free enough space.
        write_once(folder, files, manifest)


def write_once(folder: Path, files: Mapping[str, bytes], manifest: Mapping[str, object]) -> None:
    """Writes a temporary folder and fsyncs it and each file; then renames the folder and fsyncs the rename."""
    make_folder(folder.parent)
    # The temporary folder lies beside its goal, because a rename is atomic only within one file system.
    temporary = folder.with_name(f"{folder.name}-{secrets.token_hex(8)}{UNFINISHED}")
    try:
        temporary.mkdir()
        for name, content in {**files, MANIFEST: manifest_bytes(files, manifest)}.items():
            write_file(temporary / name, content)
        fsync_all([*temporary.iterdir(), temporary])
        move_into_place(temporary, folder)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    fsync(folder.parent)


def move_into_place(temporary: Path, folder: Path) -> None:
    """Renames the temporary folder. Replaces a damaged folder of that name, but keeps an undamaged one."""
    if folder.exists() and not verifies(folder):
        delete_folder(folder)
    # A rename onto a folder that is not empty fails: then another process has written the same files first.
    try:
        temporary.rename(folder)
    except OSError:
        if not verifies(folder):
            raise
        shutil.rmtree(temporary)


def refuse_without_room(folder: Path, needed: int) -> None:
    """Raises StorageFull if the disk has too little space, before anything is written."""
    make_folder(folder.parent)
    free = shutil.disk_usage(folder.parent).free
    if free < needed + RESERVE_BYTES:
        raise StorageFull(needed=needed + RESERVE_BYTES, free=free)


def write_file(path: Path, content: bytes) -> None:
    # Mode x fails if the name exists, so that no file is ever overwritten.
    with path.open("xb") as file:
        file.write(content)


def manifest_bytes(files: Mapping[str, bytes], manifest: Mapping[str, object]) -> bytes:
    """Returns the manifest as sorted JSON, with each file's size and digest."""
    listed = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }
    return json.dumps({**manifest, "files": listed}, sort_keys=True, indent=1, allow_nan=False).encode()


def read_folder(folder: Path) -> dict[str, bytes]:
    """Reads the files that the manifest lists; raises Damaged if one is missing, cannot be read or differs."""
    try:
        return read_listed_files(folder)
    except OSError as error:
        # The text of the error would name the path, which clients must not see.
        raise Damaged(error.strerror or type(error).__name__) from error


def read_listed_files(folder: Path) -> dict[str, bytes]:
    """Reads the files that the manifest lists; raises OSError if one cannot be read, and Damaged if one differs."""
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())["files"]
        files = {name: (folder / name).read_bytes() for name in listed}
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error
    for name, content in files.items():
        # The size is compared first, because a wrong size tells the user more than a wrong digest.
        if len(content) != listed[name]["bytes"]:
            raise Damaged(f"{name} has {len(content)} bytes, not {listed[name]['bytes']}")
        if hashlib.sha256(content).hexdigest() != listed[name]["sha256"]:
            raise Damaged(f"the digest of {name} is not the one in the manifest")
    return files


def holds(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Returns whether a folder is undamaged and has just these files."""
    try:
        return read_folder(folder) == files
    except Damaged:
        return False


def verifies(folder: Path) -> bool:
    try:
        read_folder(folder)
    except Damaged:
        return False
    return True


def newest_first(resumes: Path) -> list[Path]:
    """Lists the complete resume states, latest step first; of the same step, the last written first."""
    finished = (folder for folder in children(resumes) if RESUME_STATE.fullmatch(folder.name))
    written = [(step_of(folder.name), time, folder) for folder in finished if (time := time_written(folder))]
    return [folder for *_, folder in sorted(written, reverse=True)]


def time_written(folder: Path) -> int | None:
    """Returns when a folder was written, in nanoseconds; None if another process has deleted it meanwhile."""
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def children(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def step_of(name: str) -> int:
    return int(name.partition("-")[0])


def delete_folder(folder: Path) -> int:
    """Deletes a folder, or a file in its place, if it exists; returns the bytes freed."""
    # The folder is renamed first, so that no reader finds it half deleted.
    doomed = folder.with_name(f"{folder.name}-{secrets.token_hex(8)}{UNFINISHED}")
    try:
        folder.rename(doomed)
    except (FileNotFoundError, NotADirectoryError):
        return 0  # there is no folder, or another process is deleting it
    if not doomed.is_dir():
        freed = doomed.stat().st_size
        doomed.unlink()
        return freed
    freed = sum(path.stat().st_size for path in doomed.rglob("*") if path.is_file())
    remove_tree(doomed)
    return freed


def remove_tree(folder: Path) -> None:
    """Removes a folder. Whatever somebody else has put there and cannot be removed stays, under this name."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        log.warning("Something in %s cannot be deleted: %s", folder, error)
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Makes the folder and its parents, and syncs each to disk."""
    if folder.is_dir():
        return
    # `Path.mkdir(parents=True)` would not sync the names of the parents.
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync(folder.parent)


def fsync_all(paths: Sequence[Path]) -> None:
    """Syncs several files and folders to disk at the same time, which takes hardly longer than one of them."""
    try:
        with ThreadPoolExecutor(len(paths)) as threads:
            deque(threads.map(fsync, paths), maxlen=0)
    except RuntimeError:
        # A process at its limit of memory cannot start threads; one after the other is slower and as safe.
        for path in paths:
            fsync(path)


def fsync(path: Path) -> None:
    """Syncs a file, or the list of names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
