"""Lists the data sets of this machine with their status, packs them, and finds the folders with the packed data."""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import assert_never

from bakehouse.data.errors import DatasetAbsent, DatasetBroken, DatasetNotFound, DatasetNotReady
from bakehouse.data.packed_folders import (
    hold_lock,
    is_packed,
    read_card,
    read_problem,
    remove_older_versions,
)
from bakehouse.data.sources import BuiltIn, Files, Missing, Refused, SignatureCache, Source, find_sources
from bakehouse.plan.card import DatasetCard, DatasetListing
from bakehouse.recipe.problems import nearest_names
from bakehouse.settings import Settings

RETRY_AFTER_SECONDS = 2
CRASH_RETRY_SECONDS = 60.0
"""Time after which packing is tried again if it crashed, for example because the disk was full. A broken file is not
packed again until it changes."""
# This is longer than the child's limit on processor time, because it may wait for a slow disk.
MAX_PACKING_SECONDS = 1800
PACKAGE_ROOT = Path(__file__).parents[2]

log = logging.getLogger(__name__)


class Catalog:
    """Finds data sets and packs them in a child process, one at a time. Any number of threads may use a catalog.

    All processes with the same `BAKEHOUSE_HOME` share the packed data sets. Create a catalog after a fork, not before:
    its locks and threads would not survive.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signatures = SignatureCache()
        self._lock = threading.Lock()
        # Each packing may take several GiB of memory.
        self._one_at_a_time = threading.Lock()
        self._threads: dict[Path, threading.Thread] = {}
        self._crashes: dict[Path, tuple[float, str]] = {}

    def listings(self) -> list[DatasetListing]:
        """Lists all data sets, and starts packing those that are new or have changed."""
        return [self._listing(source) for source in self._sources()]

    def card(self, name: str, *, wait_seconds: float = 0.0) -> DatasetCard:
        """Returns the card of a data set; waits up to `wait_seconds` until the data set is packed. Raises
        DatasetError."""
        return read_card(self.folder(name, wait_seconds=wait_seconds))

    def folder(self, name: str, *, wait_seconds: float = 0.0) -> Path:
        """Returns the folder that `load` reads; waits up to `wait_seconds` until it is packed. Raises DatasetError."""
        source = self._find(name)
        match source:
            case BuiltIn():
                return source.folder
            case Files():
                return self._wait_until_packed(source, wait_seconds)
            case Refused():
                raise DatasetBroken(name, source.problem)
            case Missing():
                raise DatasetAbsent(name, source.instructions)
            case _:
                assert_never(source)

    def _sources(self) -> list[Source]:
        with self._lock:
            # SignatureCache must not be used by several threads at once.
            return find_sources(self._settings.data, self._signatures)

    def _find(self, name: str) -> Source:
        sources = {source.id: source for source in self._sources()}
        if name not in sources:
            nearest = nearest_names(name, sources, count=3)
            usable = tuple(name for name, source in sources.items() if isinstance(source, BuiltIn | Files))
            raise DatasetNotFound(name, nearest=tuple(nearest), allowed=usable)
        return sources[name]

    def _folder(self, files: Files) -> Path:
        return self._settings.datasets / f"{files.id}-{files.signature}"

    def _listing(self, source: Source) -> DatasetListing:
        match source:
            case BuiltIn():
                return DatasetListing(id=source.id, status="ready", card=read_card(source.folder))
            case Files():
                return self._files_listing(source)
            case Refused():
                return DatasetListing(id=source.id, status="broken", problem=source.problem)
            case Missing():
                return DatasetListing(id=source.id, status="absent", problem=source.instructions)
            case _:
                assert_never(source)

    def _files_listing(self, files: Files) -> DatasetListing:
        folder = self._folder(files)
        if is_packed(folder):
            return DatasetListing(id=files.id, status="ready", card=read_card(folder))
        problem = read_problem(folder) or self._recent_crash(folder)
        if problem is not None:
            return DatasetListing(id=files.id, status="broken", problem=problem)
        self._start_packing(files)
        return DatasetListing(id=files.id, status="packing")

    def _recent_crash(self, folder: Path) -> str | None:
        retry_at, problem = self._crashes.get(folder, (0.0, ""))
        return problem if time.monotonic() < retry_at else None

    def _wait_until_packed(self, files: Files, wait_seconds: float) -> Path:
        listing = self._files_listing(files)
        if listing.status == "packing":
            # Returns the thread that the listing has started, or starts another if that one has just ended.
            self._start_packing(files).join(wait_seconds)
            listing = self._files_listing(files)
        if listing.status == "packing":
            raise DatasetNotReady(files.id, retry_after=RETRY_AFTER_SECONDS)
        if listing.status == "broken":
            raise DatasetBroken(files.id, str(listing.problem))
        return self._folder(files)

    def _start_packing(self, files: Files) -> threading.Thread:
        folder = self._folder(files)
        with self._lock:
            thread = self._threads.get(folder)
            if thread is None:
                # A daemon thread does not delay the end of the process; the child goes on and keeps the lock.
                thread = threading.Thread(target=self._pack, args=(files, folder), name=f"pack {files.id}", daemon=True)
                self._threads[folder] = thread
                thread.start()
            return thread

    def _pack(self, files: Files, folder: Path) -> None:
        try:
            with self._one_at_a_time, hold_lock(self._settings.datasets, files.id) as lock:
                # Another process may have packed the files while this one waited for the lock.
                if not is_packed(folder) and read_problem(folder) is None:
                    self._pack_in_child(files, folder, lock)
                    remove_older_versions(folder, files.id)
        finally:
            with self._lock:
                # Without its entry, a later request can pack again if this packing has crashed.
                del self._threads[folder]

    def _pack_in_child(self, files: Files, folder: Path, lock: int) -> None:
        """Packs in a child process whose memory and time are limited; if it crashes, this process goes on."""
        # The child inherits the lock, so that no other process packs the same files if this process is killed.
        command = [sys.executable, "-m", "bakehouse.data.packing", files.id, str(files.path), str(folder)]
        # The child's address space is limited, and each thread of BLAS would reserve a share of it for nothing.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            subprocess.run(
                # In this working directory, `-m` finds the package even if it is not installed.
                command, cwd=PACKAGE_ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                text=True, check=True, pass_fds=[lock], timeout=MAX_PACKING_SECONDS,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            log.error("packing %s failed with exit code %d: %s", files.id, error.returncode, error.stderr[-2000:])
            self._remember_crash(folder, f"packing it failed with exit code {error.returncode}; the log has the reason")
        except subprocess.TimeoutExpired:
            self._remember_crash(folder, f"packing it took more than {MAX_PACKING_SECONDS} seconds")

    def _remember_crash(self, folder: Path, problem: str) -> None:
        self._crashes[folder] = (time.monotonic() + CRASH_RETRY_SECONDS, problem)
