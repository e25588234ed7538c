"""Deletes the files of uploaded data sets."""

from bakehouse.data.uploaded import Uploaded, withdraw
from bakehouse.store.object_store import ObjectStore
from bakehouse.uploads.record import DatasetRecord, files_of


def delete_files(store: ObjectStore, record: DatasetRecord) -> int:
    """Deletes all files of an uploaded data set, except packed data that other versions share; returns the bytes
    freed."""
    return withdraw(store, Uploaded(record.id, record.name, record.version)) + store.delete(files_of(record.id))
