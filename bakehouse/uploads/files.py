"""Deletes the files of uploaded data sets."""

from bakehouse.data.uploaded import Uploaded, list_uploaded, withdraw
from bakehouse.store.object_store import ObjectStore
from bakehouse.uploads.record import DatasetRecord, files_of


def delete_files(store: ObjectStore, record: DatasetRecord) -> int:
    """Deletes all files of an uploaded data set, except packed data that other versions share; returns the bytes
    freed."""
    return withdraw(store, Uploaded(record.id, record.name, record.version)) + store.delete(files_of(record.id))


def delete_refused(store: ObjectStore, record: DatasetRecord) -> None:
    """Deletes all files of a data set that was refused. Some are published if another version of Bakehouse has packed
    it before."""
    if any(uploaded.dataset_id == record.id for uploaded in list_uploaded(store)):
        delete_files(store, record)
    store.delete(files_of(record.id))
