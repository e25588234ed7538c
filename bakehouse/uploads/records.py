"""Reads and writes the records of uploaded data sets in Redis.

Everybody does the same: read the record, compute the next one, and compare-and-set it by `commit.lua`; after a
conflict, again. `inspections.py` has what only the processes that inspect data sets do.
"""

import json
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from pydantic import ValidationError
from redis import Redis

from bakehouse.data.listing import Inspection, Part
from bakehouse.data.uploaded import Manifest
from bakehouse.model import JsonObject
from bakehouse.runs import wire
from bakehouse.runs.errors import IdempotencyMismatch
from bakehouse.runs.keys import (
    CHANGES_MAX_LENGTH,
    DATASET_EVENTS,
    DELETED_DATASET_TTL_MS,
    IDEMPOTENCY_TTL_MS,
    Keys,
    digest,
)
from bakehouse.runs.record import Idempotency
from bakehouse.settings import Settings
from bakehouse.uploads.errors import (
    DatasetNeeded,
    UploadNotFound,
    UploadsFull,
)
from bakehouse.uploads.limits import UploadLimits, check_complete
from bakehouse.uploads.record import DATASET_ID, DatasetDraft, DatasetRecord, new_dataset_id

log = logging.getLogger(__name__)

UNFINISHED = ("queued", "running", "paused")
MAX_WAKE_UPS = 16

Change = Callable[[DatasetRecord], "Write"]


@dataclass(kw_only=True)
class Write:
    """One call of commit.lua, whose header describes the fields."""

    record: DatasetRecord
    expected: Mapping[str, str] = field(default_factory=dict)
    remove: Sequence[str] = ()
    add: Mapping[str, float] = field(default_factory=dict)
    set: Mapping[str, str] = field(default_factory=dict)
    hash: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    delete: Sequence[str] = ()
    expire: int | None = None
    quota: JsonObject | None = None
    needed_by: JsonObject | None = None
    idempotency: JsonObject | None = None


class DatasetRecords:
    """The uploaded data sets of one tenant. Can be shared between threads."""

    def __init__(self, redis: Redis, settings: Settings, tenant: str = "local") -> None:
        self.redis = redis
        self.keys = Keys(tenant)
        self.settings = settings
        self.limits = UploadLimits(settings)
        self._script = redis.register_script(files("bakehouse.uploads").joinpath("commit.lua").read_text())

    # Reading

    def get(self, dataset_id: str) -> DatasetRecord:
        """Returns the record of a data set. Raises UploadNotFound, also if it was deleted."""
        record = self.read(dataset_id)
        if record is None or record.status == "deleted":
            raise UploadNotFound(dataset_id)
        return record

    def find(self, reference: str) -> DatasetRecord:
        """Returns the data set that an id, `NAME@2` or `NAME` means: of a name, the newest version that is ready, or
        was before an upgrade; the newest one if there is none. Raises UploadNotFound."""
        if DATASET_ID.fullmatch(reference):
            return self.get(reference)
        if "@" in reference:
            dataset_id = self.redis.get(self.keys.dataset_version(reference))
            if dataset_id is None:
                raise UploadNotFound(reference)
            return self.get(wire.text(dataset_id))
        versions = self._records(self.redis.zrange(self.keys.dataset_versions(reference), 0, -1, desc=True))
        if not versions:
            raise UploadNotFound(reference)
        # An older version must not take the place of one that an upgrade has made unusable without a word.
        return next((record for record in versions if record.status == "ready" or record.was_ready), versions[0])

    def all(self) -> list[DatasetRecord]:
        """Returns all data sets, oldest first."""
        return self._records(self.redis.zrange(self.keys.datasets(), 0, -1))

    def parts(self, dataset_id: str) -> list[Part]:
        """Returns the parts that were uploaded, by their numbers."""
        stored = self.redis.hgetall(self.keys.dataset_parts(dataset_id))
        return sorted((Part.model_validate_json(part) for part in stored.values()), key=lambda part: part.number)

    def used_bytes(self) -> int:
        """Returns the size of all uploaded data sets together: announced, received, or on the disk."""
        return sum(map(int, self.redis.hvals(self.keys.dataset_bytes())))

    def exists(self, dataset_id: str) -> bool:
        """Returns whether Redis has a record with this id, of a deleted data set too."""
        return bool(self.redis.exists(self.keys.dataset(dataset_id)))

    def _records(self, ids: Iterable[Any]) -> list[DatasetRecord]:
        records = [self.read(wire.text(dataset_id)) for dataset_id in ids]
        return [record for record in records if record is not None and record.status != "deleted"]

    def read(self, dataset_id: str) -> DatasetRecord | None:
        """Returns the record of a data set, also if it was deleted; None if there is none, or none that this
        version can read."""
        stored, token = self.redis.hmget(self.keys.dataset(dataset_id), "record", "token")
        if stored is None or token is None:
            return None
        try:
            record = DatasetRecord.model_validate_json(stored)
        except ValidationError as error:
            # One record of another version must not take all others away.
            log.warning("The record of %s cannot be read: %s", dataset_id, error)
            return None
        return record.model_copy(update={"token": wire.text(token)})

    # Uploading

    def create(
        self,
        draft: DatasetDraft,
        *,
        newest_on_disk: int,
        idempotency: Idempotency | None = None,
        whole: tuple[str, Part] | None = None,
    ) -> tuple[DatasetRecord, bool]:
        """Stores the next version of a name; returns it, and whether an earlier request with the same key had created
        it. `newest_on_disk` is a version that exists in any case, even if Redis was emptied. With the id of `whole`,
        whose only part is in the store already, its inspection is queued; with a source, that it is fetched; otherwise
        it is a draft."""
        self.limits.check_total(draft.bytes or 0)
        counter = self.keys.newest_version(draft.name)
        while True:
            newest = wire.text(self.redis.get(counter) or "")
            version = max(int(newest or 0), newest_on_disk) + 1
            record = self._draft(draft, version, idempotency)
            if whole is not None:
                write = self._whole_creation(record, *whole)
            else:
                write = self._creation(record) if draft.source is None else self._fetch_creation(record)
            write.expected = {counter: newest}
            write.set = {counter: str(version), self.keys.dataset_version(record.reference): write.record.id}
            if idempotency is not None:
                value = {"dataset_id": write.record.id, "body_sha256": idempotency.body_sha256}
                key = self.keys.idempotency(digest(idempotency.key))
                write.idempotency = {"key": key, "value": json.dumps(value)}
            outcome, payload = self._write(write)
            if outcome == "replayed":
                return self._replay(payload, idempotency), True
            if outcome != "conflict":
                return write.record, False

    def _draft(self, draft: DatasetDraft, version: int, idempotency: Idempotency | None) -> DatasetRecord:
        now = self.now()
        return DatasetRecord(
            id=new_dataset_id(),
            name=draft.name,
            version=version,
            status="uploading",
            filename=draft.filename,
            bytes=draft.bytes,
            source=draft.source,
            sha256=draft.sha256,
            part_bytes=self.settings.upload_part_bytes,
            created_ms=now,
            expires_ms=now + round(1000 * self.settings.upload_seconds),
            idempotency=None if idempotency is None else digest(idempotency.key),
        )

    def _creation(self, record: DatasetRecord) -> Write:
        hashes, quota = self.counted(record)
        indexes = {**self._listed(record), self.keys.drafts(): record.expires_ms or 0}
        return Write(record=record, add=indexes, hash=hashes, quota=quota)

    def _whole_creation(self, draft: DatasetRecord, dataset_id: str, part: Part) -> Write:
        update = {
            "id": dataset_id,
            "status": "inspecting",
            "received_bytes": part.bytes,
            "expires_ms": None,
            "inspection": Inspection(stage="waiting"),
        }
        record = draft.model_copy(update=update)
        hashes, quota = self.counted(record)
        parts = {self.keys.dataset_parts(dataset_id): (str(part.number), part.model_dump_json())}
        indexes = {**self._listed(record), self.keys.inspectable(): record.created_ms}
        return Write(record=record, add=indexes, hash={**hashes, **parts}, quota=quota)

    def _fetch_creation(self, draft: DatasetRecord) -> Write:
        update = {"status": "inspecting", "expires_ms": None, "inspection": Inspection(stage="waiting")}
        record = draft.model_copy(update=update)
        return Write(record=record, add={**self._listed(record), self.keys.fetchable(): record.created_ms})

    def _listed(self, record: DatasetRecord) -> dict[str, float]:
        return {
            self.keys.datasets(): record.created_ms,
            self.keys.dataset_versions(record.name): record.version,
        }

    def adopt(self, manifest: Manifest, stored_bytes: int) -> None:
        """Stores the record of a data set that is in the store but was lost from Redis."""
        record = DatasetRecord(
            id=manifest.id,
            name=manifest.name,
            version=manifest.version,
            status="ready",
            filename=manifest.filename,
            source=manifest.source,
            sha256=manifest.sha256,
            source_note=manifest.source_note,
            part_bytes=self.settings.upload_part_bytes,
            created_ms=self.now(),
            stored_bytes=stored_bytes,
            fingerprint=manifest.fingerprint,
        )
        names = {self.keys.dataset_version(record.reference): record.id}
        self._write(Write(record=record, add=self._listed(record), set=names, hash=self.counted(record)[0]))

    def _replay(self, payload: Any, idempotency: Idempotency | None) -> DatasetRecord:
        assert idempotency is not None
        first = json.loads(payload)
        if first["body_sha256"] != idempotency.body_sha256 or "dataset_id" not in first:
            raise IdempotencyMismatch(idempotency.key)
        return self.get(first["dataset_id"])

    def add_part(self, dataset_id: str, part: Part) -> Part | None:
        """Notes a part whose file is in the store; returns the part that it replaces, if any. Raises UploadNotFound,
        NotUploading, DatasetTooLarge and UploadsFull."""
        replaced: Part | None = None

        def change(record: DatasetRecord) -> Write:
            nonlocal replaced
            self.limits.check_part(record, part)
            stored = self.redis.hget(self.keys.dataset_parts(dataset_id), str(part.number))
            replaced = None if stored is None else Part.model_validate_json(stored)
            received = record.received_bytes + part.bytes - (replaced.bytes if replaced else 0)
            self.limits.check_size(record, received)
            expires = self.now() + round(1000 * self.settings.upload_seconds)
            after = record.model_copy(update={"received_bytes": received, "expires_ms": expires})
            hashes, quota = self.counted(after)
            hashes[self.keys.dataset_parts(dataset_id)] = (str(part.number), part.model_dump_json())
            return Write(record=after, add={self.keys.drafts(): expires}, hash=hashes, quota=quota)

        self.change(dataset_id, change)
        return replaced if replaced != part else None

    def counted(self, record: DatasetRecord) -> tuple[dict[str, tuple[str, str]], JsonObject | None]:
        """Returns what a write needs to count the bytes of a data set (those that were announced, have come, or are
        kept), and the limit."""
        size = record.stored_bytes or max(record.bytes or 0, record.received_bytes)
        limit = self.settings.max_uploaded_bytes
        key = self.keys.dataset_bytes()
        quota: JsonObject | None = None if limit is None else {"key": key, "bytes": size, "limit": limit}
        return {key: (record.id, str(size))}, quota

    def complete(self, dataset_id: str, digests: Sequence[str] | None = None) -> DatasetRecord:
        """Queues the inspection of a data set whose parts are all there, or that could not be packed again after an
        upgrade; changes nothing of any other. Raises UploadIncomplete."""

        def change(record: DatasetRecord) -> Write:
            if record.status == "refused" and record.refused_form is not None:
                return self.repetition(record)
            if record.status != "uploading":
                return Write(record=record)
            check_complete(record, self.parts(dataset_id), digests)
            update = {
                "status": "inspecting",
                "bytes": record.received_bytes,
                "expires_ms": None,
                "inspection": Inspection(stage="waiting"),
            }
            return Write(
                record=record.model_copy(update=update),
                remove=[self.keys.drafts()],
                add={self.keys.inspectable(): self.now()},
            )

        record = self.change(dataset_id, change)
        wake_inspector(self.redis, self.keys)
        return record

    def repetition(self, record: DatasetRecord) -> Write:
        """Returns the write that queues the inspection of a data set again, whose file is in the store."""
        update = {
            "status": "inspecting",
            "inspection": Inspection(stage="waiting"),
            "was_ready": True,
            "refused_form": None,
            "fingerprint": None,
            "problem": None,
            "place": None,
            "failures": 0,
            "losses": 0,
        }
        return Write(record=record.model_copy(update=update), add={self.keys.inspectable(): self.now()})

    # Deleting

    def delete(self, dataset_id: str) -> DatasetRecord:
        """Marks a data set as deleted, after which nobody finds it; the caller deletes its files, and then calls
        `forget`. Raises DatasetNeeded."""

        def change(record: DatasetRecord) -> Write:
            keys = self.keys
            statuses = [keys.filtered("status", status) for status in UNFINISHED]
            queues = [keys.drafts(), keys.inspectable(), keys.fetchable()]
            # The same request makes a new data set then.
            idempotency = [] if record.idempotency is None else [keys.idempotency(record.idempotency)]
            return Write(
                record=record.model_copy(update={"status": "deleted", "inspector": None, "inspection": None}),
                needed_by={"dataset": keys.filtered("dataset", record.reference), "statuses": statuses},
                remove=[keys.datasets(), keys.dataset_versions(record.name), *queues],
                add={keys.deleted_datasets(): self.now()},
                hash={keys.dataset_bytes(): (record.id, "")},
                delete=[keys.dataset_version(record.reference), keys.dataset_parts(record.id), *idempotency],
                expire=DELETED_DATASET_TTL_MS,
            )

        return self.change(dataset_id, change)

    # Writing

    def now(self) -> int:
        """Returns Redis's time in milliseconds."""
        seconds, microseconds = self.redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def change(self, dataset_id: str, change: Change) -> DatasetRecord:
        """Returns the record after a change, which is computed again whenever somebody else has changed the record."""
        while True:
            before = self.get(dataset_id)
            write = change(before)
            if write.record is before:
                return before
            outcome, _ = self._write(write)
            if outcome in ("done", "repeated"):
                return write.record
            if outcome == "absent":
                raise UploadNotFound(dataset_id)

    def _write(self, write: Write) -> tuple[str, Any]:
        record = write.record
        argument = {
            **{name: value for name, value in vars(write).items() if value is not None},
            "id": record.id,
            "expected_token": record.token,
            "token": secrets.token_hex(16),
            "record": record.model_dump_json(exclude={"token"}),
            "event": wire.to_json(record.event()),
            "idempotency_ttl": IDEMPOTENCY_TTL_MS,
            "changes_length": CHANGES_MAX_LENGTH,
            "events_length": DATASET_EVENTS,
        }
        keys = [self.keys.dataset(record.id), self.keys.log(record.id), self.keys.changes()]
        outcome, payload = self._script(keys, [json.dumps(argument)])
        match wire.text(outcome):
            case "full":
                raise UploadsFull(int(payload), self.settings.max_uploaded_bytes or 0)
            case "needed":
                raise DatasetNeeded(record.reference, wire.texts(payload))
            case other:
                return other, payload


def wake_inspector(redis: Redis, keys: Keys) -> None:
    """Wakes a process that inspects data sets; it looks by itself too, but later."""
    wake(redis, keys.inspection_wake_ups())


def wake_fetcher(redis: Redis, keys: Keys) -> None:
    """Wakes a process that fetches data sets; it looks by itself too, but later."""
    wake(redis, keys.fetch_wake_ups())


def wake(redis: Redis, key: str) -> None:
    """Wakes a process that waits for an item of a list."""
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.rpush(key, "")
        pipeline.ltrim(key, 0, MAX_WAKE_UPS - 1)
        pipeline.execute()
