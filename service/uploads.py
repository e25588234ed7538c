"""Receives data sets, and shows and deletes those that were uploaded."""

from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from bakehouse.data.catalog import RETRY_AFTER_SECONDS
from bakehouse.data.errors import DatasetBroken, DatasetError, DatasetNotReady
from bakehouse.data.listing import DatasetListing, Part
from bakehouse.data.sources import BUILTIN_SETS, NAME, Missing, find_sources
from bakehouse.data.uploaded import Uploaded, newest_version, packed_folder, source_key
from bakehouse.plan.card import DatasetCard
from bakehouse.recipe.problems import Problem
from bakehouse.runs.artifacts import storage_errors
from bakehouse.runs.errors import IdempotencyMismatch
from bakehouse.runs.record import Idempotency
from bakehouse.settings import Settings
from bakehouse.store.object_store import ObjectStore
from bakehouse.uploads.addresses import AddressRefused, HostRules
from bakehouse.uploads.errors import UploadError, UploadNotFound, WrongDigest
from bakehouse.uploads.files import delete_files
from bakehouse.uploads.record import (
    DATASET_ID,
    MAX_FILENAME_CHARACTERS,
    UPLOADS,
    DatasetDraft,
    DatasetRecord,
    files_of,
    new_dataset_id,
    part_key,
)
from bakehouse.uploads.records import DatasetRecords, wake_fetcher, wake_inspector
from bakehouse.uploads.s3_objects import address_of, parse_source
from service.errors import DatasetUnusable, InvalidRequest
from service.receiving import ReceivedFile, require_room


class Uploads:
    """The uploaded data sets of this service."""

    def __init__(self, settings: Settings, records: DatasetRecords, store: ObjectStore) -> None:
        self._settings = settings
        self._records = records
        self._store = store

    # Receiving

    def create_draft(self, draft: DatasetDraft, idempotency: Idempotency | None) -> tuple[DatasetListing, bool]:
        """Creates a data set that is uploaded in parts; returns it, and whether an earlier request had created it."""
        self.check_name(draft.name, Problem(pointer="/name", code="", message=""))
        if draft.source is not None:
            draft = self._with_address(draft, draft.source)
        self._records.limits.check_total(draft.bytes or 0)
        require_room(self._settings.store_folder, draft.bytes or 0)
        record, replayed = self._create(draft, idempotency)
        if record.source is not None:
            wake_fetcher(self._records.redis, self._records.keys)
        return record.listing(parts=self._records.parts(record.id)), replayed

    def _with_address(self, draft: DatasetDraft, text: str) -> DatasetDraft:
        """Returns a draft whose address has one spelling. Raises InvalidRequest if it may not be fetched."""
        rules = HostRules(self._settings)
        try:
            source = parse_source(text)
            rules.check(address_of(source, self._settings))
        except AddressRefused as error:
            problem = Problem(pointer="/source", code="not_fetched", message=str(error), allowed=rules.public)
            raise InvalidRequest(problem) from None
        filename = draft.filename or source.filename[:MAX_FILENAME_CHARACTERS] or None
        return draft.model_copy(update={"source": source.url, "filename": filename})

    async def receive_part(self, request: Request, dataset_id: str, number: int, digest: str | None) -> Part:
        """Receives a part of a data set. Raises UploadNotFound, NotUploading, WrongDigest and DatasetTooLarge."""
        record = await run_in_threadpool(self._get, dataset_id)
        announced = int(request.headers.get("content-length", "0"))
        self._records.limits.check_part(record, Part(number=number, bytes=announced, sha256=""))
        path = await run_in_threadpool(self._new_path, f"{files_of(dataset_id)}/parts/{number}", announced)
        async with ReceivedFile(path) as file:
            await file.write_all(request.stream())
            part = Part(number=number, bytes=file.bytes, sha256=await file.finish())
            # The last block is counted only by `finish`.
            part = part.model_copy(update={"bytes": file.bytes})
            refuse_other_digest(number, digest, part.sha256)
            await run_in_threadpool(self._keep_part, dataset_id, part, file)
        return part

    @storage_errors()
    def _keep_part(self, dataset_id: str, part: Part, file: ReceivedFile) -> None:
        # Otherwise one request could delete, as replaced, the file that another one has found there already.
        with self._store.lock(f"{files_of(dataset_id)}/parts/all"):
            self._replace_part(dataset_id, part, file)

    def _replace_part(self, dataset_id: str, part: Part, file: ReceivedFile) -> None:
        self._store.put(part_key(dataset_id, part), file.path)
        try:
            replaced = self._records.add_part(dataset_id, part)
        except UploadError:
            # Unless the same part was sent twice at once, and was in time once.
            if part not in self._records.parts(dataset_id):
                self._store.delete(part_key(dataset_id, part))
            raise
        if replaced is not None and replaced.sha256 != part.sha256:
            self._store.delete(part_key(dataset_id, replaced))

    def complete(self, dataset_id: str, digests: Sequence[str] | None) -> DatasetListing:
        """Queues the inspection of a data set whose parts have all arrived."""
        return self._records.complete(self._get(dataset_id).id, digests).listing()

    async def new_file(self, announced: int) -> ReceivedFile:
        """Returns a file for a whole data set in one body. Raises DatasetTooLarge, UploadsFull and StorageFull."""
        check = await run_in_threadpool(self._check_of_total)
        check(announced)
        return ReceivedFile(await run_in_threadpool(self._new_path, f"{UPLOADS}/incoming", announced), check)

    def _check_of_total(self) -> Callable[[int], None]:
        """Returns a check of the size of one more data set; the record is compared with the quota once more."""
        used = self._records.used_bytes()

        def check(size: int) -> None:
            self._records.limits.check_total(size)
            self._records.limits.check_quota(used, size)

        return check

    @storage_errors()
    def keep_whole(
        self, draft: DatasetDraft, file: ReceivedFile, sha256: str, idempotency: Idempotency | None
    ) -> tuple[DatasetListing, bool]:
        """Publishes a data set that has arrived as a whole, and queues its inspection; returns it, and whether an
        earlier request had created it."""
        part = Part(number=1, bytes=file.bytes, sha256=sha256)
        dataset_id = new_dataset_id()
        # The file comes first: without the record, nobody sees it.
        self._store.put(part_key(dataset_id, part), file.path)
        try:
            record, replayed = self._create(draft, idempotency, whole=(dataset_id, part))
        except (UploadError, IdempotencyMismatch):
            # After any other error, the record may be there.
            self._store.delete(files_of(dataset_id))
            raise
        if replayed:
            self._store.delete(files_of(dataset_id))
        wake_inspector(self._records.redis, self._records.keys)
        return record.listing(), replayed

    def _create(
        self, draft: DatasetDraft, idempotency: Idempotency | None, whole: tuple[str, Part] | None = None
    ) -> tuple[DatasetRecord, bool]:
        newest = newest_version(self._store, draft.name)
        return self._records.create(draft, newest_on_disk=newest, idempotency=idempotency, whole=whole)

    @storage_errors()
    def _new_path(self, key: str, announced: int) -> Path:
        require_room(self._settings.store_folder, announced)
        return self._store.new_path(key)

    def check_name(self, name: str, where: Problem) -> None:
        """Raises InvalidRequest if an uploaded data set cannot have this name."""
        message = self._name_problem(name)
        if message is not None:
            raise InvalidRequest(where.model_copy(update={"code": "name", "message": message}))

    def _name_problem(self, name: str) -> str | None:
        if not NAME.fullmatch(name):
            return "the name of a data set is 1 to 64 of a-z, 0-9 and ._- and begins with a letter or digit"
        if DATASET_ID.fullmatch(name):
            return "a name must not look like the id of a data set"
        if name in BUILTIN_SETS:
            return f"{name} is the name of a built-in data set: choose another name"
        own = [source for source in find_sources(self._settings.data) if source.id == name]
        if any(not isinstance(source, Missing) for source in own):
            return f"{name} is the name of a data set in BAKEHOUSE_DATA of the service: choose another name"
        return None

    # Reading

    def find(self, reference: str) -> DatasetListing:
        """Returns an uploaded data set with its parts or its card. Raises UploadNotFound."""
        record = self._records.find(reference)
        parts = self._records.parts(record.id) if record.status == "uploading" else None
        return record.listing(parts=parts, card=self._card(record))

    def all(self) -> list[DatasetListing]:
        """Returns all uploaded data sets, by name and version."""
        records = sorted(self._records.all(), key=lambda record: (record.name, record.version))
        return [record.listing(card=self._card(record)) for record in records]

    def source(self, reference: str) -> tuple[DatasetRecord, Path]:
        """Returns an uploaded data set and what was read of it: the file, or the folder of an archive. Raises
        UploadNotFound, DatasetNotReady and DatasetUnusable."""
        record = self._records.find(reference)
        try:
            [path] = self._store.local(source_key(record.id)).iterdir()
        except FileNotFoundError:
            if record.status == "refused":
                raise DatasetUnusable(f"The file of {record.reference} was deleted when it was refused.") from None
            raise DatasetNotReady(record.reference, retry_after=RETRY_AFTER_SECONDS) from None
        return record, path

    def _card(self, record: DatasetRecord) -> DatasetCard | None:
        if record.status != "ready":
            return None
        try:
            return packed_folder(self._store, Uploaded(record.id, record.name, record.version))[1]
        except FileNotFoundError:
            return None  # it is being deleted at this moment

    def _get(self, dataset_id: str) -> DatasetRecord:
        if not DATASET_ID.fullmatch(dataset_id):
            raise UploadNotFound(dataset_id)
        return self._records.get(dataset_id)

    def why_not_ready(self, name: str) -> DatasetError | None:
        """Returns why recipes cannot name an uploaded data set; None if there is none of this name."""
        try:
            record = self._records.find(name)
        except UploadNotFound:
            return None
        if record.status == "refused":
            return DatasetBroken(name, record.problem or "")
        return DatasetNotReady(name, retry_after=RETRY_AFTER_SECONDS)

    # Deleting

    @storage_errors()
    def delete(self, reference: str) -> tuple[DatasetRecord, int]:
        """Deletes an uploaded data set; returns it, and the bytes freed. Raises DatasetNeeded."""
        deleted = self._records.delete(self._records.find(reference).id)
        return deleted, delete_files(self._store, deleted)


def refuse_other_digest(number: int, announced: str | None, found: str) -> None:
    """Raises WrongDigest if the client has announced another digest."""
    if announced not in (None, found):
        raise WrongDigest(number, announced=str(announced), found=found)
