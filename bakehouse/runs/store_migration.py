"""Copies the files of a home into another store, when BAKEHOUSE_STORE names one for the first time.

The marker is copied last, under the id that Redis knows. So services and workers take the new store for the one that
the home was, but not before everything is in it; and a copy that was interrupted is carried on.
"""

from collections.abc import Callable, Iterator

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.settings import Settings
from bakehouse.store.errors import StoreRefused
from bakehouse.store.file_store import FileStore
from bakehouse.store.open_store import open_store

# In this order: a version of a data set names its source and its packed data.
DATA_FOLDERS = ("uploads", "datasets/packed", "datasets/named")
SOURCE = "source"
SAY_EVERY = 100

Say = Callable[[str], None]


class CopyStopped(Exception):
    """Raised if the copy of a home has stopped before its end."""

    def __init__(self, before: Settings, after: Settings, error: OSError) -> None:
        super().__init__(
            f"The copy of the files of {before.store_name} into {after.store_name} has stopped: "
            f"{error.strerror or error}. Start the service again: it copies what is missing."
        )


def migrate_home(settings: Settings, say: Say) -> None:
    """Copies the files of the home into its store if that has no marker yet. Raises CopyStopped, and OSError."""
    before = settings.model_copy(update={"store": None})
    is_home = settings.bucket is None and settings.artifacts == before.artifacts
    # A home without a marker has no runs.
    marker = None if is_home else Artifacts(before.artifacts).marker()
    # A store with one is in use already, by this home or by another.
    if marker is None or open_artifacts(settings).marker() is not None:
        return
    say(f"copying the files of {before.store_name} into {settings.store_name}")
    count = 0
    try:
        for _ in copy_all(before, settings):
            count += 1
            if count % SAY_EVERY == 0:
                say(f"{count} entries are copied")
        open_artifacts(settings).write_marker(marker)
    except StoreRefused:
        raise
    except OSError as error:
        raise CopyStopped(before, settings, error) from error
    say(f"{count} entries are copied; those in {before.store_name} are left there")


def copy_all(before: Settings, after: Settings) -> Iterator[str]:
    """Copies the files of all runs and all uploaded data sets; yields the key of each."""
    artifacts = open_artifacts(after)
    for folder in Artifacts(before.artifacts).run_folders():
        artifacts.copy_run(folder)
        yield folder.name
    source, target = FileStore(before.store_folder), open_store(after)
    for key in data_keys(source):
        target.copy(key, source.local(key))
        yield key


def data_keys(store: FileStore) -> Iterator[str]:
    """Yields the keys of all entries of uploaded data sets."""
    uploads, *others = DATA_FOLDERS
    for upload in store.names(uploads):
        for name in store.names(f"{uploads}/{upload}"):
            key = f"{uploads}/{upload}/{name}"
            # Beside the source, which is an entry, there are the parts of an unfinished upload.
            yield from (key,) if name == SOURCE else (f"{key}/{part}" for part in store.names(key))
    for folder in others:
        yield from (f"{folder}/{name}" for name in store.names(folder))
