"""Deletes what nobody needs of uploaded data sets, and mends what killed processes have left.

The process that inspects data sets does this now and then.
"""

from contextlib import suppress
from pathlib import Path

from bakehouse.data.packed_folders import remove_sizes_of_lost_uploads
from bakehouse.data.signatures import PACKED_FORM
from bakehouse.data.uploaded import (
    NAMED,
    PACKED,
    Uploaded,
    is_packed_otherwise,
    list_uploaded,
    packed_key,
    read_manifest,
    remove_unnamed,
    source_key,
)
from bakehouse.settings import Settings
from bakehouse.store.object_store import ObjectStore
from bakehouse.uploads.errors import UploadNotFound
from bakehouse.uploads.files import delete_files, delete_refused
from bakehouse.uploads.inspections import Inspections
from bakehouse.uploads.record import DATASET_ID, UPLOADS, DatasetRecord, files_of
from bakehouse.uploads.records import DatasetRecords

# Files without a record are deleted after this time: the record follows the files of an upload in a single request.
ORPHAN_SECONDS = 86_400.0
# Less than the time for which the record of a deleted data set is kept.
FORGET_MS = 600_000


def clean_up(settings: Settings, records: DatasetRecords, store: ObjectStore) -> None:
    """Deletes expired uploads, the files of deleted and refused data sets, and files without a record. A data set that
    Redis has lost gets a record again."""
    inspections = Inspections(records)
    delete_expired(inspections, records)
    delete_deleted(inspections, records, store)
    for uploaded in list_uploaded(store):
        if not records.exists(uploaded.dataset_id):
            adopt(uploaded, records, store)
    for record in records.all():
        mend(record, inspections, store)
    delete_orphans(records, store, settings.datasets)


def delete_expired(inspections: Inspections, records: DatasetRecords) -> None:
    """Deletes uploads that were not completed in time."""
    for dataset_id in inspections.expired():
        with suppress(UploadNotFound):
            records.delete(dataset_id)


def delete_deleted(inspections: Inspections, records: DatasetRecords, store: ObjectStore) -> None:
    """Deletes the files of deleted data sets once more: an inspection may have published one meanwhile."""
    now = records.now()
    for dataset_id in inspections.deleted():
        record = records.read(dataset_id)
        if record is not None:
            delete_files(store, record)
    inspections.forget(before=now - FORGET_MS)


def adopt(uploaded: Uploaded, records: DatasetRecords, store: ObjectStore) -> None:
    """Gives a published data set its record again."""
    with suppress(FileNotFoundError):
        manifest = read_manifest(store, uploaded)
        kept = (source_key(manifest.id), packed_key(manifest.packed))
        records.adopt(manifest, sum(size for key in kept for size in store.sizes(key)))


def mend(record: DatasetRecord, inspections: Inspections, store: ObjectStore) -> None:
    """Does what the process that inspected a data set should have done, if it was killed, and has what another version
    of Bakehouse has packed, or could not pack again, packed for this version."""
    if record.status == "refused" and record.refused_form is None:
        delete_refused(store, record)
    elif record.status == "refused" and record.refused_form != PACKED_FORM:
        inspections.repeat(record.id)
    if record.status == "ready":
        store.delete(f"{files_of(record.id)}/parts")
        if is_packed_otherwise(store, Uploaded(record.id, record.name, record.version)):
            inspections.repeat(record.id)


def delete_orphans(records: DatasetRecords, store: ObjectStore, datasets: Path) -> None:
    """Deletes files that belong to no record."""
    for name in store.names(UPLOADS):
        is_orphan = DATASET_ID.fullmatch(name) and not records.exists(name)
        if is_orphan and store.age_seconds(files_of(name)) > ORPHAN_SECONDS:
            store.delete(files_of(name))
    for folder in (UPLOADS, NAMED, PACKED):
        store.clean_up(folder, older_than_seconds=ORPHAN_SECONDS)
    remove_unnamed(store)
    remove_sizes_of_lost_uploads(datasets, store.names(PACKED))
