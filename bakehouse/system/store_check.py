"""Compares the store with the records in Redis: what is missing, what is damaged, and what nobody names any more."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Literal

from bakehouse.data.uploaded import (
    PACKED,
    PackedOtherwise,
    Uploaded,
    list_uploaded,
    packed_folder,
    packed_key,
    read_manifest,
    remove_unnamed,
    source_key,
)
from bakehouse.model import Model
from bakehouse.runs.errors import RecordUnreadable, RunNotFound
from bakehouse.runs.record import Record
from bakehouse.runs.store import Store
from bakehouse.runs.stored_entries import StoredEntries, StoredEntry, problem_of
from bakehouse.store.errors import StoreAway
from bakehouse.store.object_store import ObjectStore
from bakehouse.uploads.record import DATASET_ID, UPLOADS, files_of
from bakehouse.uploads.records import DatasetRecords

# Files are written before a record names them.
ORPHAN_SECONDS = 3600.0
PAGE = 100

Kind = Literal["missing", "damaged", "orphaned"]


class Finding(Model):
    """Something that is wrong in the store."""

    kind: Kind
    key: str
    """The run and its checkpoint, resume state or log, or the entry of a data set."""
    problem: str
    """What is wrong, as a sentence."""
    bytes: int = 0
    is_repaired: bool = False


class StoreReport(Model):
    """What a store holds, and what is wrong with it."""

    store: str
    entries: int
    bytes: int
    findings: tuple[Finding, ...]

    def count(self, kind: Kind) -> int:
        """Returns the number of findings of a kind that are still there."""
        return sum(finding.kind == kind and not finding.is_repaired for finding in self.findings)


def check_store(
    name: str, store: Store, entries: StoredEntries, files: ObjectStore, records: DatasetRecords, *, repair: bool
) -> StoreReport:
    """Compares all of a store with the records; with `repair`, deletes what nobody names."""
    found = list(entries.all())
    findings = check_runs(store, entries, found, repair=repair) + check_datasets(files, records, repair=repair)
    size = sum(entry.bytes for entry in found)
    return StoreReport(store=name, entries=len(found), bytes=size, findings=tuple(findings))


def check_runs(store: Store, entries: StoredEntries, found: Sequence[StoredEntry], *, repair: bool) -> list[Finding]:
    """Compares the files of runs with their records."""
    by_run: dict[str, list[StoredEntry]] = {run_id: [] for run_id in run_ids(store)}
    for entry in found:
        by_run.setdefault(entry.run_id, []).append(entry)
    findings: list[Finding] = []
    for run_id, stored in by_run.items():
        # Another version of Bakehouse knows what its runs need.
        with suppress(RecordUnreadable):
            findings += check_run(read(store, run_id), run_id, stored, entries, repair=repair)
    return findings


def check_run(
    record: Record | None, run_id: str, stored: Sequence[StoredEntry], entries: StoredEntries, *, repair: bool
) -> Iterator[Finding]:
    """Yields what is wrong with the files of a run."""
    complete = {entry.name for entry in stored if entry.is_complete}
    for name, why in needed_by(record).items():
        if name not in complete:
            yield Finding(kind="missing", key=f"{run_id}/{name}", problem=why)
    for entry in stored:
        why_not = why_orphaned(record, entry)
        problem = problem_of(entries, entry) if entry.is_complete and why_not is None else None
        if problem is not None:
            yield Finding(kind="damaged", key=entry.key, problem=f"It is damaged: {problem}.", bytes=entry.bytes)
        elif why_not is not None and entry.age_seconds > ORPHAN_SECONDS:
            freed = entries.delete(entry) if repair else 0
            yield Finding(kind="orphaned", key=entry.key, problem=why_not, bytes=entry.bytes, is_repaired=freed > 0)


def needed_by(record: Record | None) -> Mapping[str, str]:
    """Returns the entries that a record says exist, each with what is wrong if it does not."""
    if record is None:
        return {}
    needed = {
        f"checkpoints/{each.sha256}": f"The {' and '.join(each.roles)} weights cannot be downloaded."
        for each in record.checkpoints
        if each.roles
    }
    if record.archived:
        needed["log"] = "The log of the run, which was archived, cannot be read."
    return needed


def why_orphaned(record: Record | None, entry: StoredEntry) -> str | None:
    """Returns why nobody needs an entry; None if somebody does, or may."""
    kind, _, name = entry.name.partition("/")
    if record is None:
        return "There is no run of this id."
    if not entry.is_complete and record.owner is None:
        return "It was never written to its end."
    if kind == "checkpoints" and name not in record.digests():
        return "The run names other weights."
    if kind == "resume" and record.is_over:
        return "The run is over."
    return None


def run_ids(store: Store) -> Iterator[str]:
    """Yields the ids of all runs."""
    after: str | None = None
    while True:
        page = store.page(limit=PAGE) if after is None else store.page(limit=PAGE, after=after)
        yield from (run.id for run in page.data)
        after = page.last_id
        if not page.has_more or after is None:
            return


def read(store: Store, run_id: str) -> Record | None:
    """Returns the record of a run; None if there is none."""
    try:
        return store.record(run_id)
    except RunNotFound:
        return None


def check_datasets(store: ObjectStore, records: DatasetRecords, *, repair: bool) -> list[Finding]:
    """Compares the files of uploaded data sets with their records."""
    findings: list[Finding] = []
    for record in records.all():
        if record.status == "ready":
            findings += check_dataset(store, Uploaded(record.id, record.name, record.version))
    for name in filter(DATASET_ID.fullmatch, store.names(UPLOADS)):
        key = files_of(name)
        if not records.exists(name) and store.age_seconds(key) > ORPHAN_SECONDS:
            findings.append(orphan(store, key, "There is no data set of this id.", store.delete, repair=repair))
    named = {read_manifest(store, each).packed for each in list_uploaded(store)}
    for name in store.names(PACKED):
        if name not in named:
            why = "No data set names these packed data."
            findings.append(orphan(store, packed_key(name), why, lambda _: remove_unnamed(store), repair=repair))
    return findings


def check_dataset(store: ObjectStore, uploaded: Uploaded) -> Iterator[Finding]:
    """Yields what is wrong with the files of an uploaded data set."""
    try:
        packed_folder(store, uploaded)
        store.local(source_key(uploaded.dataset_id))
    except PackedOtherwise:
        pass  # an inspector packs it again
    except FileNotFoundError:
        problem = "Its files are missing, and no run can be trained on it: upload it again."
        yield Finding(kind="missing", key=uploaded.id, problem=problem)
    except StoreAway as error:
        if "damaged" not in str(error.strerror):
            raise
        yield Finding(kind="damaged", key=uploaded.id, problem=f"It cannot be read: {error.strerror}.")


def orphan(store: ObjectStore, key: str, why: str, delete: Callable[[str], object], *, repair: bool) -> Finding:
    """Returns that nobody names an entry, which is deleted if that is wished."""
    size = sum(store.sizes(key))
    if repair:
        delete(key)
    return Finding(kind="orphaned", key=key, problem=why, bytes=size, is_repaired=repair)
