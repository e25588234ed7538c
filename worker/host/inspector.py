"""`python -m worker.host.inspector`: fetches and inspects data sets, beside the training. It does not import torch.

A data set is claimed with a lease. If this process is killed, the next one starts again: nothing of an inspection can
be seen before its last step, which publishes the packed data. This process also keeps house.
"""

import errno
import re
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from bakehouse.data.archives import ArchiveLimits
from bakehouse.data.child_process import ChildFailed
from bakehouse.data.inspection_process import PACKED, SOURCE, Answer, inspect_in_child
from bakehouse.data.listing import Inspection, Part, Place
from bakehouse.data.signatures import PACKED_FORM
from bakehouse.data.source_formats import ending_of
from bakehouse.data.uploaded import Manifest, digest_packed, publish, source_key
from bakehouse.processes import REFUSED, name_this_process
from bakehouse.runs.patience import OUTAGE
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from bakehouse.store.file_store import remove, sizes
from bakehouse.store.object_store import ObjectStore
from bakehouse.store.open_store import open_store
from bakehouse.uploads.errors import InspectionLost, UploadNotFound, UploadsFull
from bakehouse.uploads.files import delete_files, delete_refused, is_kept
from bakehouse.uploads.inspections import Inspections
from bakehouse.uploads.record import DatasetRecord, files_of, part_key
from bakehouse.uploads.records import DatasetRecords
from worker.host.fetching import fetch
from worker.host.housekeeping import clean_up
from worker.host.owner import is_dead, this_process
from worker.host.store_check import wait_for_store

# A data set that takes long does not keep the others waiting.
AT_ONCE = 2
# A server that is slow does not keep the uploads waiting.
FETCHED_AT_ONCE = 2
BLOCK_BYTES = 1 << 20
REPORT_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 60.0
# Inspections of one data set that end by a crash or a stall before it is refused.
MAX_FAILURES = 3
# A disk that is full, or a store that is away, is asked again after this time.
POSTPONED_SECONDS = 180.0
OF_THE_FILE = (
    None,
    errno.ENAMETOOLONG,
    errno.EILSEQ,
    errno.EINVAL,
    errno.ELOOP,
    errno.EFBIG,
    errno.EISDIR,
    errno.ENOTDIR,
)
"""Error numbers of the operating system that the file itself may cause."""
# Processes that disappear while they fetch or inspect one data set before it is refused: it may be what kills them.
MAX_LOSSES = 5


class PartDamaged(Exception):
    """Raised if the file of a part is not what the client has sent."""


class Inspector:
    """Inspects one data set after the other."""

    def __init__(self, settings: Settings, records: DatasetRecords, store: ObjectStore) -> None:
        self._records = records
        self.inspections = Inspections(records)
        self.fetches = Inspections(records, fetches=True)
        self._store = store
        self._renew_seconds = settings.lease_seconds / 4
        self._limits = ArchiveLimits(
            entries=settings.max_archive_entries,
            total_bytes=settings.max_unpacked_bytes,
            entry_bytes=settings.max_entry_bytes,
        )

    def inspect_next(self) -> bool:
        """Inspects the next data set; returns False if there is none."""
        record = self.claim()
        if record is None:
            return False
        self.inspect_claimed(record)
        return True

    def fetch_next(self) -> bool:
        """Fetches the next data set that a client has named by its address; returns False if there is none."""
        record = self.fetches.claim(this_process(), is_dead=is_dead)
        if record is None:
            return False
        watch = Watch(self.fetches, record, self._renew_seconds)
        with suppress(InspectionLost, UploadNotFound), keep_lease(self.fetches, record, self._renew_seconds):
            try:
                if self._refuse_after_losses(self.fetches, record):
                    return True
                # It may have been fetched between the look at the queue and the claim.
                if self._records.parts(record.id):
                    self.fetches.release(record)
                else:
                    fetch(record, self._store, self._records, self.fetches, watch.report)
            except (InspectionLost, UploadNotFound, *OUTAGE):
                raise
            except Exception as error:  # noqa: BLE001 - here a fetch ends; it must not be tried for ever
                traceback.print_exception(error)
                self._refuse(self.fetches, record, f"it could not be fetched: {describe_failure(error)}")
        return True

    def claim(self) -> DatasetRecord | None:
        """Returns the next data set, which this process then inspects; None if there is none."""
        return self.inspections.claim(this_process(), is_dead=is_dead)

    def inspect_claimed(self, record: DatasetRecord) -> None:
        """Inspects a data set, unless it is deleted meanwhile, or this process is stopped for so long that another one
        takes it."""
        with suppress(InspectionLost, UploadNotFound):
            if not self._refuse_after_losses(self.inspections, record):
                self.inspect(record)

    def _refuse_after_losses(self, inspections: Inspections, record: DatasetRecord) -> bool:
        """Refuses a data set that may be what kills the processes that work on it; returns whether it did."""
        if record.losses < MAX_LOSSES:
            return False
        why = f"{MAX_LOSSES} processes that worked on it were killed, for instance because of its memory"
        self._refuse(inspections, record, why)
        return True

    def _refuse(
        self, inspections: Inspections, record: DatasetRecord, problem: str, place: Place | None = None
    ) -> None:
        """Refuses a data set, and deletes all its files, unless it was ready for another version of Bakehouse."""
        if is_kept(self._store, record):
            inspections.refuse(record, describe_kept(record, problem), place, kept_form=PACKED_FORM)
        else:
            inspections.refuse(record, problem, place)
            delete_refused(self._store, record)

    def inspect(self, record: DatasetRecord) -> None:
        """Inspects a data set that this process has claimed."""
        # Those before it have left their work if they were killed.
        self._store.clean_up(files_of(record.id), older_than_seconds=0)
        work = self._store.new_path(f"{files_of(record.id)}/work")
        work.mkdir()
        watch = Watch(self.inspections, record, self._renew_seconds)
        try:
            with keep_lease(self.inspections, record, self._renew_seconds):
                file = self._join_parts(record, work, watch)
                answer = inspect_in_child(record.name, file, work, self._limits, watch.report)
                self._finish(record, work, with_own_name(answer, file.name, record.filename))
        except (PartDamaged, UploadsFull) as error:
            self._refuse(self.inspections, record, str(error))
        except (InspectionLost, UploadNotFound, *OUTAGE):
            raise
        # Whatever it is, the file must not be tried for ever.
        except Exception as error:  # noqa: BLE001 - here an inspection ends
            self._try_again_or_refuse(record, error)
        finally:
            # Only its own: if the lease is lost, another process works beside it.
            remove(work)

    def _join_parts(self, record: DatasetRecord, work: Path, watch: "Watch") -> Path:
        """Returns the whole file, of which every part was compared with its digest."""
        folder = work / "joined"
        folder.mkdir()
        parts = self._records.parts(record.id)
        if not parts:
            return self._copy_source(record, folder)
        with self._store.open(part_key(record.id, parts[0])) as first:
            path = folder / (record.name + ending_of(record.filename or "", first.read(BLOCK_BYTES)))
        total = sum(part.bytes for part in parts)
        done = 0
        with path.open("xb") as file:
            for part in parts:
                for block in self._blocks(record.id, part):
                    file.write(block)
                    done += len(block)
                    watch.report(Inspection(stage="joining", done_bytes=done, total_bytes=total))
        return path

    def _copy_source(self, record: DatasetRecord, folder: Path) -> Path:
        """Returns a copy of what an earlier inspection has read: the file, or the folder of an archive."""
        [source] = self._store.local(source_key(record.id)).iterdir()
        copy = folder / source.name
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            shutil.copyfile(source, copy)
        return copy

    def _blocks(self, dataset_id: str, part: Part) -> Iterator[bytes]:
        digest = sha256()
        with self._store.open(part_key(dataset_id, part)) as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
                yield block
        if digest.hexdigest() != part.sha256:
            raise PartDamaged(
                f"part {part.number} of the upload was damaged on the disk of the service: upload it again"
            )

    def _finish(self, record: DatasetRecord, work: Path, answer: Answer) -> None:
        if answer.fingerprint is None:
            place = answer.place or Place()
            place = place.model_copy(update={"file": place.file or record.filename})
            self._refuse(self.inspections, record, answer.problem or "", place)
        else:
            # Another inspector that has the data set now must not publish it twice.
            self.inspections.note_stored(record, sum(sizes(work / SOURCE)) + sum(sizes(work / PACKED)))
            [source] = (work / SOURCE).iterdir()
            manifest = Manifest(
                id=record.id,
                name=record.name,
                version=record.version,
                fingerprint=answer.fingerprint,
                packed=digest_packed(work / PACKED),
                filename=record.filename or source.name,
                source=record.source,
                sha256=record.sha256,
                source_note=record.source_note,
                form=PACKED_FORM,
            )
            self._store.put(source_key(record.id), work / SOURCE)
            publish(self._store, manifest, work / PACKED)
            try:
                self.inspections.publish(record, answer.fingerprint)
            except InspectionLost:
                self._withdraw_if_deleted(record)
                raise
        self._store.delete(f"{files_of(record.id)}/parts")

    def _withdraw_if_deleted(self, record: DatasetRecord) -> None:
        """Deletes what was published after the data set had been deleted."""
        try:
            self._records.get(record.id)
        except UploadNotFound:
            delete_files(self._store, record)

    def _try_again_or_refuse(self, record: DatasetRecord, error: Exception) -> None:
        print(f"The data set {record.id} could not be inspected: {error}", file=sys.stderr, flush=True)
        if not isinstance(error, ChildFailed | OSError):
            traceback.print_exception(error)
        if isinstance(error, OSError) and error.errno not in OF_THE_FILE:
            why = f"it waits, because the disk or the store of the service cannot be used: {describe_failure(error)}"
            self.inspections.postpone(record, f"{why}. It is tried again by itself", seconds=POSTPONED_SECONDS)
        elif self.inspections.note_failure(record) < MAX_FAILURES:
            self.inspections.release(record)
        else:
            problem = f"its inspection failed {MAX_FAILURES} times: {describe_failure(error)}"
            self._refuse(self.inspections, record, problem)


def with_own_name(answer: Answer, name: str, filename: str | None) -> Answer:
    """Returns the answer with the name of the client's file in place of the one under which it was inspected."""
    if answer.problem is None or filename is None:
        return answer
    place = answer.place
    if place is not None:
        # Its own name is no entry of an archive, and the client has never seen it.
        unnamed = {field: None for field in ("file", "member") if getattr(place, field) == name}
        place = place.model_copy(update=unnamed)
    problem = re.sub(rf"(?<![\w./-]){re.escape(name)}", lambda _: filename, answer.problem)
    return replace(answer, problem=problem, place=place)


def describe_kept(record: DatasetRecord, problem: str) -> str:
    """Returns why a data set that was ready before cannot be used, and what its user can do."""
    return (
        f"this version of Bakehouse cannot pack it: {problem.rstrip('.')}. Its file is kept: download it "
        f"(GET /v1/datasets/{record.id}/file), upload it corrected as the next version of {record.name}, or delete it. "
        "A version of Bakehouse that packs data in another way tries again by itself; "
        f"POST /v1/datasets/{record.id}/complete has it tried now"
    )


def describe_failure(error: Exception) -> str:
    """Returns what a client may learn of an error: the texts of others than our own may name paths."""
    match error:
        case ChildFailed():
            return str(error)
        case OSError():
            return f"{error.strerror}; the log of the workers has the reason"
        case _:
            return f"an unforeseen {type(error).__name__}; the log of the workers has the reason"


@contextmanager
def keep_lease(inspections: Inspections, record: DatasetRecord, renew_seconds: float) -> Iterator[None]:
    """Renews the lease during the block, also while a large file is copied or written to the disk."""
    is_over = threading.Event()

    def renew() -> None:
        while not is_over.wait(renew_seconds):
            # The inspection itself finds out, at its next report.
            with suppress(InspectionLost, *OUTAGE):
                inspections.renew(record)

    thread = threading.Thread(target=renew, name=f"lease of {record.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


class Watch:
    """Renews the lease of an inspection, and reports how far it has come."""

    def __init__(self, inspections: Inspections, record: DatasetRecord, renew_seconds: float) -> None:
        self._inspections = inspections
        self._record = record
        self._renew_seconds = renew_seconds
        self._renewed = 0.0
        self._reported = 0.0
        self._stage = ""

    def report(self, inspection: Inspection | None) -> None:
        """Is called often while the inspection proceeds. Raises InspectionLost."""
        now = time.monotonic()
        if now - self._renewed > self._renew_seconds:
            self._renewed = now
            self._inspections.renew(self._record)
        if inspection is None:
            return
        if inspection.stage != self._stage or now - self._reported > REPORT_SECONDS:
            self._stage = inspection.stage
            self._reported = now
            self._inspections.note_progress(self._record, inspection)


def serve(work_on_next: Callable[[], bool], queue: Inspections) -> None:
    """Works on data sets for ever."""
    while True:
        try:
            if not work_on_next():
                queue.wait_for_wake_up()
        except OUTAGE as error:
            print(f"Redis cannot be used: {error}", file=sys.stderr, flush=True)
            time.sleep(1.0)
        except Exception as error:  # noqa: BLE001 - the next data set must not wait for whatever is wrong with this one
            traceback.print_exception(error)
            time.sleep(1.0)


def main() -> int:
    """Inspects data sets until a signal ends this process; the lease of a data set then passes to the next process."""
    settings = Settings()
    if settings.redis_url is None:
        print("BAKEHOUSE_REDIS_URL is not set: this process needs the address of Redis", file=sys.stderr)
        return REFUSED
    name_this_process("bakehouse-data")
    redis = connect(settings.redis_url, patient=True)
    records = DatasetRecords(redis, settings)
    runs = Store(redis)
    store = open_store(settings)
    wait_for_store(settings, runs)
    inspector = Inspector(settings, records, store)
    # They end with this process.
    for _ in range(AT_ONCE):
        threading.Thread(target=serve, args=(inspector.inspect_next, inspector.inspections), daemon=True).start()
    for _ in range(FETCHED_AT_ONCE):
        threading.Thread(target=serve, args=(inspector.fetch_next, inspector.fetches), daemon=True).start()
    while True:
        try:
            wait_for_store(settings, runs)
            store.limit_copies()
            clean_up(settings, records, store)
        except Exception as error:  # noqa: BLE001 - it is repeated
            traceback.print_exception(error)
        time.sleep(HOUSEKEEPING_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
