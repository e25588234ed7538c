"""Checkpoints and resume states as folders of files: whole, or not there."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakehouse.runs.errors import StorageFull

MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"
UNFINISHED = ".tmp"
MARKER = "marker"
# Room that must be left for logs and for Redis's own files.
RESERVE_BYTES = 64 << 20
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}

RUN_ID = re.compile(r"run_[0-9a-z]{12}")
SHA256 = re.compile(r"[0-9a-f]{64}")


class Damaged(Exception):
    """A folder's files are not those that its manifest names."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """Weights that are safe on disk."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ResumeFiles:
    """A resume state whose files are what was written."""

    name: str
    step: int
    files: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A resume state that was passed over."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class FoundResume:
    """The newest resume state that verifies, if any, and the newer ones that do not."""

    state: ResumeFiles | None
    rejected: tuple[Rejected, ...]


class Artifacts:
    """The files of one tenant's runs in a local folder."""

    def __init__(self, root: Path, tenant: str = "local") -> None:
        self._root = root / tenant

    def write_checkpoint(self, run_id: str, weights: bytes, manifest: Mapping[str, Any]) -> StoredCheckpoint:
        """Weights under their digest; the same weights again are the same folder."""
        sha256 = hashlib.sha256(weights).hexdigest()
        write_folder(self._checkpoint(run_id, sha256), {WEIGHTS: weights}, manifest)
        return StoredCheckpoint(sha256, len(weights))

    def checkpoint_path(self, run_id: str, sha256: str) -> Path:
        """Where the weights are."""
        return self._checkpoint(run_id, sha256) / WEIGHTS

    def checkpoint_manifest(self, run_id: str, sha256: str) -> dict[str, Any]:
        """What was written beside the weights."""
        manifest: dict[str, Any] = json.loads((self._checkpoint(run_id, sha256) / MANIFEST).read_bytes())
        return manifest

    def delete_checkpoint(self, run_id: str, sha256: str) -> int:
        """Bytes freed; 0 if it is gone already."""
        return delete_folder(self._checkpoint(run_id, sha256))

    def write_resume(self, run_id: str, step: int, files: Mapping[str, bytes]) -> str:
        """A resume state under a name that no other process can choose."""
        name = f"{step}-{secrets.token_hex(8)}"
        write_folder(self._resumes(run_id) / name, files, {"step": step})
        return name

    def newest_resume(self, run_id: str) -> FoundResume:
        """Looks from the newest to the oldest for one whose sizes and digests are right."""
        rejected: list[Rejected] = []
        for folder in newest_first(self._resumes(run_id)):
            try:
                state = ResumeFiles(folder.name, step_of(folder), read_folder(folder))
            except Damaged as error:
                rejected.append(Rejected(folder.name, str(error)))
            else:
                return FoundResume(state, tuple(rejected))
        return FoundResume(None, tuple(rejected))

    def keep_resumes(self, run_id: str, count: int = 2) -> int:
        """Deletes all but the newest `count`; bytes freed."""
        return sum(delete_folder(folder) for folder in newest_first(self._resumes(run_id))[count:])

    def sweep(self, run_id: str) -> int:
        """Deletes what earlier attempts left half written, once the run is owned; bytes freed."""
        return sum(delete_folder(folder) for folder in self._run(run_id).glob(f"*/*{UNFINISHED}"))

    def delete_run(self, run_id: str) -> int:
        """Every file of a run; bytes freed."""
        return delete_folder(self._run(run_id))

    def marker(self) -> str | None:
        """The id of this folder; None where no service has written one, or where it cannot be read."""
        try:
            return read_folder(self._root / MARKER)["id"].decode()
        except Damaged:
            return None

    def make_marker(self) -> str:
        """The id of this folder, a new random one if it has none; of several processes at once the first wins."""
        write_folder(self._root / MARKER, {"id": secrets.token_hex(16).encode()}, {})
        return read_folder(self._root / MARKER)["id"].decode()

    def check_writable(self) -> None:
        """Raises OSError where nothing can be written."""
        make_folder(self._root)
        probe = self._root / f"probe-{secrets.token_hex(8)}{UNFINISHED}"
        probe.touch()
        probe.unlink()

    def _run(self, run_id: str) -> Path:
        return self._root / checked(RUN_ID, run_id)

    def _checkpoint(self, run_id: str, sha256: str) -> Path:
        return self._run(run_id) / "checkpoints" / checked(SHA256, sha256)

    def _resumes(self, run_id: str) -> Path:
        return self._run(run_id) / "resume"


def checked(pattern: re.Pattern[str], name: str) -> str:
    """Names become paths: whatever the caller checked, no other name gets through."""
    if not pattern.fullmatch(name):
        raise ValueError(f"not a name in the store: {name!r}")
    return name


def write_folder(folder: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    """The files and their manifest, all safe on disk, or StorageFull and nothing."""
    if verifies(folder):
        return
    refuse_without_room(folder, sum(len(content) for content in files.values()))
    try:
        write_once(folder, files, manifest)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        write_again(folder, files, manifest)


def write_again(folder: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    """The one retry on a full disk: the first try's temporary is gone, which may be room enough."""
    try:
        write_once(folder, files, manifest)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        needed = sum(len(content) for content in files.values())
        raise StorageFull(needed=needed, free=shutil.disk_usage(folder.parent).free) from error


def write_once(folder: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    """Aside, fsynced file by file, the manifest last; then renamed, and the rename fsynced."""
    make_folder(folder.parent)
    aside = folder.with_name(f"{folder.name}-{secrets.token_hex(8)}{UNFINISHED}")
    try:
        aside.mkdir()
        for name, content in files.items():
            write_file(aside / name, content)
        write_file(aside / MANIFEST, manifest_bytes(files, manifest))
        fsync_folder(aside)
        move_into_place(aside, folder)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    fsync_folder(folder.parent)


def move_into_place(aside: Path, folder: Path) -> None:
    """Renames; a damaged folder of that name makes way, a good one (another writer's) stays."""
    if folder.exists() and not verifies(folder):
        delete_folder(folder)
    try:
        aside.rename(folder)
    except OSError:
        if not verifies(folder):
            raise
        shutil.rmtree(aside)


def refuse_without_room(folder: Path, needed: int) -> None:
    """Looks at the space before anything is written."""
    make_folder(folder.parent)
    free = shutil.disk_usage(folder.parent).free
    if free < needed + RESERVE_BYTES:
        raise StorageFull(needed=needed + RESERVE_BYTES, free=free)


def write_file(path: Path, content: bytes) -> None:
    """One file, safe on disk."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def manifest_bytes(files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> bytes:
    """Sorted JSON with each file's size and digest."""
    listed = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }
    return json.dumps({**manifest, "files": listed}, sort_keys=True, indent=1, allow_nan=False).encode()


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files that the manifest names; Damaged if one is missing or differs."""
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())["files"]
        files = {name: (folder / name).read_bytes() for name in listed}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error
    for name, content in files.items():
        if len(content) != listed[name]["bytes"]:
            raise Damaged(f"{name} has {len(content)} bytes, not {listed[name]['bytes']}")
        if hashlib.sha256(content).hexdigest() != listed[name]["sha256"]:
            raise Damaged(f"{name} does not have its digest")
    return files


def verifies(folder: Path) -> bool:
    """Whether the folder is there and whole."""
    try:
        read_folder(folder)
    except Damaged:
        return False
    return True


def newest_first(resumes: Path) -> list[Path]:
    """Finished resume states by falling step; of the same step, by time."""
    finished = [folder for folder in children(resumes) if folder.suffix != UNFINISHED]
    return sorted(finished, key=lambda folder: (step_of(folder), folder.stat().st_mtime_ns), reverse=True)


def children(folder: Path) -> Iterator[Path]:
    """What is in a folder that may not be there."""
    return folder.iterdir() if folder.is_dir() else iter(())


def step_of(folder: Path) -> int:
    """The step in a resume state's name."""
    return int(folder.name.partition("-")[0])


def delete_folder(folder: Path) -> int:
    """Bytes freed. Renamed first, so that no reader finds half of it."""
    if not folder.is_dir():
        return 0
    doomed = folder.with_name(f"{folder.name}-{secrets.token_hex(8)}{UNFINISHED}")
    try:
        folder.rename(doomed)
    except FileNotFoundError:
        return 0  # somebody else deletes it
    freed = sum(path.stat().st_size for path in doomed.rglob("*") if path.is_file())
    shutil.rmtree(doomed)
    return freed


def make_folder(folder: Path) -> None:
    """With its parents, each safe on disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync_folder(folder.parent)


def fsync_folder(folder: Path) -> None:
    """Makes the names in a folder safe on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
