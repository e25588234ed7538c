"""What the processes that fetch and inspect data sets read and write in Redis: the queues, leases, and outcomes."""

from collections.abc import Callable

from bakehouse.data.listing import Inspection, Part, Place
from bakehouse.model import JsonObject
from bakehouse.runs import wire
from bakehouse.runs.record import Owner
from bakehouse.uploads.errors import InspectionLost, UploadNotFound
from bakehouse.uploads.record import DatasetRecord
from bakehouse.uploads.records import Change, DatasetRecords, Write, wake, wake_inspector

# An idle process looks for data sets by itself this often.
WAKE_SECONDS = 2


class Inspections:
    """The inspections of one tenant's data sets, or what comes before these: to fetch them. Can be shared between
    threads."""

    def __init__(self, records: DatasetRecords, *, fetches: bool = False) -> None:
        self._records = records
        self._redis = records.redis
        self._keys = records.keys
        self._queue = self._keys.fetchable() if fetches else self._keys.inspectable()
        self._wake_ups = self._keys.fetch_wake_ups() if fetches else self._keys.inspection_wake_ups()
        self._lease_ms = round(1000 * records.settings.lease_seconds)

    def wait_for_wake_up(self) -> None:
        """Waits until a data set may wait in the queue."""
        self._redis.blpop([self._wake_ups], timeout=WAKE_SECONDS)

    def repeat(self, dataset_id: str) -> None:
        """Queues the inspection of a data set that was ready for another version of Bakehouse."""

        def change(record: DatasetRecord) -> Write:
            is_due = record.status == "ready" or (record.status == "refused" and record.refused_form is not None)
            return self._records.repetition(record) if is_due else Write(record=record)

        self._records.change(dataset_id, change)
        wake_inspector(self._redis, self._keys)

    def claim(self, owner: Owner, *, is_dead: Callable[[Owner], bool]) -> DatasetRecord | None:
        """Gives the first data set that nobody inspects to the owner; returns None if there is none. A process that is
        dead loses its lease at once."""
        for dataset_id in wire.texts(self._redis.zrange(self._queue, 0, -1)):
            if not self._take_lease(dataset_id, owner, is_dead):
                continue
            try:
                return self._records.change(dataset_id, lambda record: Write(record=taken_by(record, owner)))
            except (UploadNotFound, InspectionLost):
                # It was deleted, or its inspection ended before the lease was taken.
                self._redis.delete(self._keys.inspection_lease(dataset_id))
        return None

    def _take_lease(self, dataset_id: str, owner: Owner, is_dead: Callable[[Owner], bool]) -> bool:
        key = self._keys.inspection_lease(dataset_id)
        text = owner.model_dump_json()
        if self._redis.set(key, text, nx=True, px=self._lease_ms):
            return True
        holder = self._redis.get(key)
        if holder is None or not is_dead(Owner.model_validate_json(holder)):
            return False
        # Only one of several that have seen this takes the lease.
        return bool(self._redis.set(key, text, xx=True, get=True, px=self._lease_ms) == holder)

    def renew(self, record: DatasetRecord) -> None:
        """Keeps a data set for its inspector. Raises InspectionLost if another one has it, or if it was deleted."""
        present = self._records.read(record.id)
        if present is None or present.inspector != record.inspector:
            raise InspectionLost(record.id)
        self._redis.pexpire(self._keys.inspection_lease(record.id), self._lease_ms)

    def note_failure(self, record: DatasetRecord) -> int:
        """Counts an inspection that has ended by a crash or a stall; returns their number. Raises InspectionLost."""
        return self._own(
            record, lambda now: Write(record=now.model_copy(update={"failures": now.failures + 1}))
        ).failures

    def note_progress(self, record: DatasetRecord, inspection: Inspection) -> None:
        """Notes how far the inspection has come. Raises InspectionLost."""
        self._own(record, lambda present: Write(record=present.model_copy(update={"inspection": inspection})))

    def note_stored(self, record: DatasetRecord, size: int) -> None:
        """Counts what the data set keeps on the disk. Raises UploadsFull and InspectionLost."""
        # What was accepted before an upgrade stays accepted, though it may take a little more now.
        self._count(record, {"stored_bytes": size}, is_limited=not record.was_ready)

    def publish(self, record: DatasetRecord, fingerprint: str) -> None:
        """Notes that the data set is ready, after its packed data were published. Raises InspectionLost."""
        self._end(record, {"status": "ready", "fingerprint": fingerprint, "losses": 0})

    def refuse(self, record: DatasetRecord, problem: str, place: Place | None, *, kept_form: int | None = None) -> None:
        """Notes why the data set cannot be used; its bytes no longer count, unless its file is kept for a version of
        Bakehouse that packs in another form than `kept_form`. Raises InspectionLost."""
        uncounted = {self._keys.dataset_bytes(): (record.id, "")} if kept_form is None else {}
        update = {"status": "refused", "problem": problem, "place": place, "refused_form": kept_form}
        self._end(record, update, uncounted)

    def release(self, record: DatasetRecord) -> None:
        """Gives a data set back, so that another process can inspect it at once. Raises InspectionLost."""
        self._own(record, lambda present: Write(record=present.model_copy(update={"inspector": None})))
        self._redis.delete(self._keys.inspection_lease(record.id))
        wake(self._redis, self._wake_ups)

    def postpone(self, record: DatasetRecord, problem: str, *, seconds: float) -> None:
        """Gives a data set back with the reason why it waits; another process can inspect it after a time. Raises
        InspectionLost."""
        update = {"inspector": None, "inspection": Inspection(stage="waiting"), "problem": problem}
        self._own(record, lambda present: Write(record=present.model_copy(update=update)))
        # Nobody has the lease, so it is only the time to wait.
        self._redis.pexpire(self._keys.inspection_lease(record.id), round(1000 * seconds))

    def reserve(self, record: DatasetRecord, size: int) -> None:
        """Counts the bytes of a data set that is being fetched. Raises UploadsFull and InspectionLost."""
        self._count(record, {"received_bytes": size})

    def _count(self, record: DatasetRecord, update: JsonObject, *, is_limited: bool = True) -> None:
        def change(present: DatasetRecord) -> Write:
            after = present.model_copy(update=update)
            hashes, quota = self._records.counted(after)
            return Write(record=after, hash=hashes, quota=quota if is_limited else None)

        self._own(record, change)

    def hand_over(self, record: DatasetRecord, part: Part, note: str | None) -> None:
        """Queues the inspection of a data set that was fetched, as if it had been uploaded in one part. Raises
        UploadsFull and InspectionLost."""

        def change(present: DatasetRecord) -> Write:
            update = {
                "inspector": None,
                "losses": 0,
                "inspection": Inspection(stage="waiting"),
                "received_bytes": part.bytes,
                "bytes": part.bytes,
                "sha256": part.sha256,
                "source_note": note,
            }
            after = present.model_copy(update=update)
            hashes, quota = self._records.counted(after)
            hashes[self._keys.dataset_parts(record.id)] = (str(part.number), part.model_dump_json())
            return Write(
                record=after,
                hash=hashes,
                quota=quota,
                remove=[self._keys.fetchable()],
                add={self._keys.inspectable(): self._records.now()},
                delete=[self._keys.inspection_lease(record.id)],
            )

        self._own(record, change)
        wake_inspector(self._redis, self._keys)

    def _end(self, record: DatasetRecord, update: JsonObject, hashes: dict[str, tuple[str, str]] | None = None) -> None:
        def change(present: DatasetRecord) -> Write:
            after = present.model_copy(update={**update, "inspector": None, "inspection": None})
            return Write(
                record=after,
                hash=hashes or {},
                remove=[self._queue],
                delete=[self._keys.inspection_lease(record.id), self._keys.dataset_parts(record.id)],
            )

        self._own(record, change)

    def _own(self, record: DatasetRecord, change: Change) -> DatasetRecord:
        """Changes a record that the caller inspects. Raises InspectionLost."""

        def owned(present: DatasetRecord) -> Write:
            if present.inspector != record.inspector:
                raise InspectionLost(record.id)
            return change(present)

        try:
            return self._records.change(record.id, owned)
        except UploadNotFound as error:
            raise InspectionLost(record.id) from error

    # Housekeeping

    def deleted(self) -> list[str]:
        """Returns the ids of data sets that were deleted, of which a killed process may have left files."""
        return wire.texts(self._redis.zrange(self._keys.deleted_datasets(), 0, -1))

    def forget(self, *, before: int) -> None:
        """Forgets the data sets that were deleted before a time, whose files are gone for certain."""
        self._redis.zremrangebyscore(self._keys.deleted_datasets(), "-inf", before)

    def expired(self) -> list[str]:
        """Returns the ids of uploads that were not completed in time."""
        return wire.texts(self._redis.zrangebyscore(self._keys.drafts(), "-inf", self._records.now()))


def taken_by(record: DatasetRecord, owner: Owner) -> DatasetRecord:
    """Returns the record with a new inspector. Raises InspectionLost if there is nothing to inspect."""
    if record.status != "inspecting":
        raise InspectionLost(record.id)
    losses = record.losses + (record.inspector is not None)
    return record.model_copy(update={"inspector": owner, "losses": losses, "problem": None})
