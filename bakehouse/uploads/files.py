"""Deletes the files of uploaded data sets."""

from bakehouse.data.uploaded import Uploaded, is_packed_otherwise, list_uploaded, withdraw
from bakehouse.store.object_store import ObjectStore
from bakehouse.uploads.record import DatasetRecord, files_of


def delete_files(store: ObjectStore, record: DatasetRecord) -> int:
    """Deletes all files of an uploaded data set, except packed data that other versions share; returns the bytes
    freed."""
    return withdraw(store, Uploaded(record.id, record.name, record.version)) + store.delete(files_of(record.id))


def is_kept(store: ObjectStore, record: DatasetRecord) -> bool:
    """Returns whether the file of a data set is kept if it is refused now: recipes could name it before another version
    of Bakehouse came, and its user may have no other copy."""
    return record.was_ready or is_packed_otherwise(store, Uploaded(record.id, record.name, record.version))


def delete_refused(store: ObjectStore, record: DatasetRecord) -> None:
    """Deletes all files of a data set that was refused and never ready. Some are published if a process was killed
    before it could note that the data set is ready."""
    if any(uploaded.dataset_id == record.id for uploaded in list_uploaded(store)):
        delete_files(store, record)
    store.delete(files_of(record.id))
