"""The data sets of this machine: which there are, whether they are ready, where they are packed."""

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import assert_never

from bakehouse.data.errors import DatasetAbsent, DatasetBroken, DatasetNotFound, DatasetNotReady
from bakehouse.data.packed_folders import is_packed, locked, read_card, read_problem, remove_older
from bakehouse.data.sources import BuiltIn, Files, Missing, Refused, Signatures, Source, find_sources
from bakehouse.plan.card import DatasetCard, DatasetListing
from bakehouse.recipe.problems import nearest_names
from bakehouse.settings import Settings

RETRY_AFTER_SECONDS = 2
CRASH_KEPT_SECONDS = 60.0
"""A packer that crashed (a full disk, say) is tried again after this time; a broken file is not."""
PACKING_SECONDS = 1800
PACKAGE_ROOT = Path(__file__).parents[2]

log = logging.getLogger(__name__)


class Catalog:
    """Finds sets and has them packed by a child process, one at a time; for any number of threads.

    Several processes share the packed sets by `BAKEHOUSE_HOME`. Make it after a fork, not before.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signatures = Signatures()
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._packing: dict[Path, threading.Thread] = {}
        self._crashed: dict[Path, tuple[float, str]] = {}

    def listings(self) -> list[DatasetListing]:
        """All sets; what is new or changed begins to be packed."""
        return [self._listing(source) for source in self._sources()]

    def card(self, name: str, *, wait_seconds: float = 0.0) -> DatasetCard:
        """The card of a set; waits so long for its packing. Raises `DatasetError`."""
        return read_card(self.folder(name, wait_seconds=wait_seconds))

    def folder(self, name: str, *, wait_seconds: float = 0.0) -> Path:
        """The packed set, for `load`; waits so long for its packing. Raises `DatasetError`."""
        source = self._find(name)
        match source:
            case BuiltIn():
                return source.folder
            case Files():
                return self._packed(source, wait_seconds)
            case Refused():
                raise DatasetBroken(name, source.problem)
            case Missing():
                raise DatasetAbsent(name, source.how)
            case _:
                assert_never(source)

    def _sources(self) -> list[Source]:
        with self._lock:
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
                return DatasetListing(id=source.id, status="absent", problem=source.how)
            case _:
                assert_never(source)

    def _files_listing(self, files: Files) -> DatasetListing:
        folder = self._folder(files)
        if is_packed(folder):
            return DatasetListing(id=files.id, status="ready", card=read_card(folder))
        problem = read_problem(folder) or self._crash(folder)
        if problem is not None:
            return DatasetListing(id=files.id, status="broken", problem=problem)
        self._start(files)
        return DatasetListing(id=files.id, status="packing")

    def _crash(self, folder: Path) -> str | None:
        until, problem = self._crashed.get(folder, (0.0, ""))
        return problem if time.monotonic() < until else None

    def _packed(self, files: Files, wait_seconds: float) -> Path:
        listing = self._files_listing(files)
        if listing.status == "packing":
            self._start(files).join(wait_seconds)
            listing = self._files_listing(files)
        if listing.status == "packing":
            raise DatasetNotReady(files.id, retry_after=RETRY_AFTER_SECONDS)
        if listing.status == "broken":
            raise DatasetBroken(files.id, str(listing.problem))
        return self._folder(files)

    def _start(self, files: Files) -> threading.Thread:
        folder = self._folder(files)
        with self._lock:
            thread = self._packing.get(folder)
            if thread is None:
                thread = threading.Thread(target=self._pack, args=(files, folder), name=f"pack {files.id}", daemon=True)
                self._packing[folder] = thread
                thread.start()
            return thread

    def _pack(self, files: Files, folder: Path) -> None:
        try:
            with self._one_at_a_time, locked(self._settings.datasets, files.id) as lock:
                if not is_packed(folder) and read_problem(folder) is None:
                    self._pack_in_child(files, folder, lock)
                    remove_older(folder, files.id)
        finally:
            with self._lock:
                del self._packing[folder]

    def _pack_in_child(self, files: Files, folder: Path, lock: int) -> None:
        """The child holds the lock too, so that it finishes undisturbed if this process is killed."""
        command = [sys.executable, "-m", "bakehouse.data.pack", files.id, str(files.path), str(folder)]
        # Linear algebra is not needed, and its threads would take gigabytes of address space.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            subprocess.run(
                command, cwd=PACKAGE_ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                text=True, check=True, pass_fds=[lock], timeout=PACKING_SECONDS,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            log.error("packing %s ended with code %d: %s", files.id, error.returncode, error.stderr[-2000:])
            self._remember_crash(folder, f"packing it ended with code {error.returncode}")
        except subprocess.TimeoutExpired:
            self._remember_crash(folder, f"packing it took more than {PACKING_SECONDS} seconds")

    def _remember_crash(self, folder: Path, problem: str) -> None:
        self._crashed[folder] = (time.monotonic() + CRASH_KEPT_SECONDS, problem)
