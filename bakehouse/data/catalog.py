"""Lists the data sets of this machine with their status, packs them, and finds the folders with the packed data."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import assert_never

from bakehouse.data.child_process import ChildFailed
from bakehouse.data.errors import (
    DatasetAbsent,
    DatasetBroken,
    DatasetChanged,
    DatasetError,
    DatasetNotFound,
    DatasetNotReady,
)
from bakehouse.data.listing import DatasetListing
from bakehouse.data.packed_folders import (
    hold_lock,
    is_packed,
    read_card,
    read_card_if_packed,
    read_problem,
    remove_earlier_sizes,
    remove_older_versions,
    sized_folder,
)
from bakehouse.data.packing_process import SourceChanged, pack_in_child, resize_in_child
from bakehouse.data.signatures import SignatureCache
from bakehouse.data.sources import BUILTIN_SETS, DATA_FOLDER, BuiltIn, Files, Missing, Refused, Source, find_sources
from bakehouse.data.summary import summarize
from bakehouse.data.uploaded import Uploaded, find_uploaded, list_uploaded, packed_folder, source_key
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.pictures import PictureSize
from bakehouse.recipe.problems import nearest_names
from bakehouse.settings import Settings
from bakehouse.store.open_store import open_store

RETRY_AFTER_SECONDS = 2
FAILURE_RETRY_SECONDS = 60.0
"""Time after which packing is tried again if it failed, for example because the disk was full. A broken file is not
packed again until it changes."""
PACKED_AT_ONCE = 2
"""Number of data sets that are packed at the same time, because each may take several GiB of memory."""
MAX_WAIT_FOR_OTHERS_SECONDS = 5.0
"""Time after which the next data set is packed even so, because the others may be waiting for a slow drive."""

WhyNotReady = Callable[[str], DatasetError | None]
"""Returns why recipes cannot name an uploaded data set yet; None if nothing of this name was uploaded."""


def is_upload(packed: Path, datasets: Path) -> bool:
    """Returns whether a packed data set was uploaded: its files never change."""
    return packed.parent != datasets


def hide(source: Source, uploaded: Collection[str]) -> Source:
    """Returns the source, or the reason why recipes cannot name it: an uploaded data set has its name."""
    if isinstance(source, Files) and source.id in uploaded:
        return Refused(source.id, f"{source.id} is also the name of an uploaded data set: rename {source.path.name}")
    return source


def ready_listing(name: str, card: DatasetCard) -> DatasetListing:
    """Returns the listing of a data set that is packed."""
    return DatasetListing(id=name, name=name, status="ready", card=card, summary=summarize(card))


class Catalog:
    """Finds data sets and packs them in child processes. Any number of threads may use a catalog.

    All processes with the same `BAKEHOUSE_HOME` share the packed data sets. Create a catalog after a fork, not before:
    its locks and threads would not survive.
    """

    def __init__(self, settings: Settings, *, why_not_ready: WhyNotReady = lambda name: None) -> None:
        self._settings = settings
        self._why_not_ready = why_not_ready
        self._store = open_store(settings)
        self._signatures = SignatureCache()
        self._lock = threading.Lock()
        self._next_in_line = threading.Lock()
        self._slots = threading.Semaphore(PACKED_AT_ONCE)
        self._threads: dict[str, threading.Thread] = {}
        self._failures: dict[Path, tuple[float, str]] = {}

    def listings(self) -> list[DatasetListing]:
        """Lists all data sets that were not uploaded, and starts packing those that are new or have changed."""
        uploaded = {each.name for each in list_uploaded(self._store)}
        listings = (self._listing(hide(source, uploaded)) for source in find_sources(self._settings.data))
        return [listing for listing in listings if listing is not None]

    def listing(self, name: str) -> DatasetListing:
        """Lists one data set that was not uploaded, and starts packing it if it is new or has changed. Raises
        DatasetNotFound."""
        source = self._find(name)
        listing = None if source is None else self._listing(source)
        if listing is None:
            raise self._not_found(name)
        return listing

    def card(self, name: str, *, wait_seconds: float = 0.0) -> DatasetCard:
        """Returns the card of a data set; waits up to `wait_seconds` until the data set is packed. Raises
        DatasetError."""
        _, card = self._open(name, wait_seconds)
        return card

    def folder(self, name: str, *, wait_seconds: float = 0.0) -> Path:
        """Returns the folder that `load` reads; waits up to `wait_seconds` until it is packed. Raises DatasetError."""
        folder, _ = self._open(name, wait_seconds)
        return folder

    def sized_folder(self, name: str, size: PictureSize | None, *, wait_seconds: float = 0.0) -> Path:
        """Returns the folder that `load` reads if the pictures have another size than that with which they are packed;
        waits until they are packed at this size. Raises DatasetError."""
        packed = self.folder(name, wait_seconds=wait_seconds)
        if size is None:
            return packed
        folder = sized_folder(self._settings.datasets, packed, size)
        with hold_lock(self._settings.datasets, packed.name) as lock:
            problem = read_problem(folder)
            if problem is not None:
                raise DatasetBroken(name, problem)
            if not is_packed(folder):
                self._resize(name, packed, folder, size, lock)
        return folder

    def _resize(self, name: str, packed: Path, folder: Path, size: PictureSize, lock: int) -> None:
        checks_signature = not is_upload(packed, self._settings.datasets)
        try:
            resize_in_child(self.source(name), packed, folder, size, lock, checks_signature=checks_signature)
        except SourceChanged as error:
            raise DatasetChanged(name) from error
        except ChildFailed as error:
            raise DatasetBroken(name, str(error)) from error
        problem = read_problem(folder)
        if problem is not None:
            raise DatasetBroken(name, problem)
        remove_earlier_sizes(self._settings.datasets, packed)

    def source(self, name: str) -> Path:
        """Returns the file or folder of a data set; of a built-in set, the folder with its arrays. Raises
        DatasetError."""
        match self._find(name):
            case BuiltIn(folder=path) | Files(path=path):
                return path
            case Uploaded() as uploaded:
                [path] = self._store.local(source_key(uploaded.dataset_id)).iterdir()
                return path
            case _:
                raise self._why_missing(name)

    def _open(self, name: str, wait_seconds: float) -> tuple[Path, DatasetCard]:
        ends_at = time.monotonic() + wait_seconds
        # Files may change, come or go while they are packed, so they are looked for again each time.
        while True:
            source = self._find(name)
            match source:
                case BuiltIn():
                    return source.folder, read_card(source.folder)
                case Uploaded():
                    try:
                        return packed_folder(self._store, source)
                    # It was deleted since it was found, or is packed again for this version of Bakehouse.
                    except FileNotFoundError:
                        raise self._why_missing(name) from None
                case Files():
                    packed = self._wait_for_packing(source, ends_at)
                    if packed is not None:
                        return packed
                case Refused():
                    raise DatasetBroken(name, source.problem)
                case Missing():
                    raise DatasetAbsent(name, source.instructions)
                case None:
                    raise self._why_missing(name)
                case _:
                    assert_never(source)

    def is_built_in(self, name: str) -> bool:
        """Returns whether a data set comes with the package, so that it never changes."""
        return name in BUILTIN_SETS

    def _find(self, name: str) -> Source | None:
        # A built-in set is found without a look at the data folder, whose drive may be slow, full of changes or gone.
        if name in BUILTIN_SETS:
            return BUILTIN_SETS[name]
        uploaded = find_uploaded(self._store, name)
        if uploaded is not None:
            return uploaded
        return next((source for source in find_sources(self._settings.data) if source.id == name), None)

    def _why_missing(self, name: str) -> DatasetError:
        unready = self._why_not_ready(name)
        if unready is not None:
            return unready
        folder = self._find(DATA_FOLDER)
        if isinstance(folder, Refused):
            return DatasetBroken(name, f"it is not built in, and of {DATA_FOLDER}, {folder.problem}")
        return self._not_found(name)

    def _not_found(self, name: str) -> DatasetNotFound:
        sources = find_sources(self._settings.data)
        uploaded = sorted({each.name for each in list_uploaded(self._store)})
        nearest = nearest_names(name, [*(source.id for source in sources), *uploaded], count=3)
        usable = (*(source.id for source in sources if isinstance(source, BuiltIn | Files)), *uploaded)
        return DatasetNotFound(name, nearest=tuple(nearest), allowed=usable)

    def _listing(self, source: Source) -> DatasetListing | None:
        """Returns None if the files are gone since they were found."""
        match source:
            case BuiltIn():
                return ready_listing(source.id, read_card(source.folder))
            case Files():
                try:
                    folder = self._folder(source)
                except DatasetBroken as error:
                    return DatasetListing(id=source.id, name=source.id, status="broken", problem=error.problem)
                return None if folder is None else self._files_listing(source, folder)
            case Refused():
                return DatasetListing(id=source.id, name=source.id, status="broken", problem=source.problem)
            case Missing():
                return DatasetListing(id=source.id, name=source.id, status="absent", problem=source.instructions)
            case Uploaded():
                return None
            case _:
                assert_never(source)

    def _folder(self, files: Files) -> Path | None:
        """Returns the folder for the present version of the files, or None if they are gone. Raises DatasetBroken."""
        try:
            signature = self._signatures.signature(files.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DatasetBroken(files.id, f"it cannot be read: {error.strerror}") from error
        return self._settings.datasets / f"{files.id}-{signature}"

    def _files_listing(self, files: Files, folder: Path) -> DatasetListing:
        card = read_card_if_packed(folder)
        if card is not None:
            return ready_listing(files.id, card)
        problem = read_problem(folder) or self._recent_failure(folder)
        if problem is not None:
            return DatasetListing(id=files.id, name=files.id, status="broken", problem=problem)
        self._start_packing(files, folder)
        return DatasetListing(id=files.id, name=files.id, status="packing")

    def _recent_failure(self, folder: Path) -> str | None:
        retry_at, problem = self._failures.get(folder, (0.0, ""))
        return problem if time.monotonic() < retry_at else None

    def _wait_for_packing(self, files: Files, ends_at: float) -> tuple[Path, DatasetCard] | None:
        """Returns None if the files must be looked for again, because they were packed, have changed or are gone."""
        folder = self._folder(files)
        if folder is None:
            return None
        listing = self._files_listing(files, folder)
        if listing.status == "broken":
            raise DatasetBroken(files.id, str(listing.problem))
        if listing.card is not None:
            return folder, listing.card
        remaining = ends_at - time.monotonic()
        if remaining <= 0:
            raise DatasetNotReady(files.id, retry_after=RETRY_AFTER_SECONDS)
        # Returns the thread that the listing has started, or starts another if that one has just ended.
        self._start_packing(files, folder).join(remaining)
        return None

    def _start_packing(self, files: Files, folder: Path) -> threading.Thread:
        """Starts a thread that packs the files, unless one packs this or an earlier version of them already."""
        with self._lock:
            thread = self._threads.get(files.id)
            if thread is None:
                # A daemon thread does not delay the end of the process; the child goes on and keeps the lock.
                thread = threading.Thread(target=self._pack, args=(files, folder), name=f"pack {files.id}", daemon=True)
                self._threads[files.id] = thread
                thread.start()
            return thread

    def _pack(self, files: Files, folder: Path) -> None:
        try:
            with hold_lock(self._settings.datasets, files.id) as lock:
                # Another process may have packed the files while this one waited for the lock.
                if not is_packed(folder) and read_problem(folder) is None:
                    with self._slot():
                        pack_in_child(files, folder, lock)
                    remove_older_versions(folder, files.id)
        except SourceChanged:
            self._signatures.forget(files.path)
        except (ChildFailed, OSError) as error:
            self._failures[folder] = (time.monotonic() + FAILURE_RETRY_SECONDS, str(error))
        finally:
            with self._lock:
                # Without its entry, a later request can pack again if this packing has failed.
                del self._threads[files.id]

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """Waits until few enough other data sets are being packed, or for at most `MAX_WAIT_FOR_OTHERS_SECONDS`."""
        with self._next_in_line:
            has_slot = self._slots.acquire(timeout=MAX_WAIT_FOR_OTHERS_SECONDS)
        try:
            yield
        finally:
            if has_slot:
                self._slots.release()
