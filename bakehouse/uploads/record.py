"""Defines the record of an uploaded data set in Redis, and the names of its files in the store."""

import re
import secrets
from collections.abc import Sequence
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from bakehouse.data.listing import DatasetListing, DatasetStatus, Inspection, Part, Place, Upload
from bakehouse.data.sources import NAME
from bakehouse.data.summary import summarize
from bakehouse.model import JsonObject, Model
from bakehouse.plan.card import DatasetCard
from bakehouse.runs.record import ID_ALPHABET, ID_LENGTH, Owner, rfc3339
from bakehouse.uploads.addresses import MAX_CHARACTERS

DATASET_ID = re.compile(rf"data_[{ID_ALPHABET}]{{{ID_LENGTH}}}")
MAX_FILENAME_CHARACTERS = 255
UPLOADS = "uploads"
"""The prefix of the files of uploads in the store."""


class DatasetDraft(Model):
    """A data set that is to be uploaded in parts, or fetched from an address."""

    name: str = Field(pattern=rf"^{NAME.pattern}$")
    """The name by which recipes will know it: 1 to 64 of a-z, 0-9 and ._-. A name that was uploaded before gets another
    version."""
    filename: str | None = Field(default=None, min_length=1, max_length=MAX_FILENAME_CHARACTERS)
    """The name of the file; its ending names the format: .csv, .tsv, .txt or .data (also with .gz), .parquet, .json,
    .jsonl, .ndjson, .npz, .zip, .tar, .tar.gz or .tgz."""
    bytes: int | None = Field(default=None, ge=1, lt=2**53)
    """The size of the file, with which the limits are checked before anything is sent."""
    source: str | None = Field(default=None, max_length=MAX_CHARACTERS)
    """An address that begins with https://, or s3://BUCKET/KEY, from which a worker's machine fetches the file; nothing
    is sent then. The settings list the hosts that may be asked, by default none."""
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """The digest of the file at `source`, in hexadecimal. Another file is refused."""

    @model_validator(mode="after")
    def check_source(self) -> Self:
        """Raises ValueError for fields that do not go together."""
        if self.source is not None and self.bytes is not None:
            raise ValueError("bytes announces an upload, but with source the file is fetched: leave one of them out")
        if self.source is None and self.sha256 is not None:
            raise ValueError("sha256 is the digest of the file at source, which is missing")
        return self


class DatasetRecord(Model):
    """One version of an uploaded data set. Times are in ms by Redis's clock."""

    # Another version of Bakehouse beside this one may have more to say.
    model_config = ConfigDict(extra="ignore")

    id: str
    name: str
    version: int
    status: DatasetStatus
    filename: str | None = None
    bytes: int | None = None
    received_bytes: int = 0
    source: str | None = None
    """The address from which the data set is fetched."""
    sha256: str | None = None
    """The digest of the file at that address: what the client expects, then what was read first."""
    source_note: str | None = None
    """How the file compares with what was fetched from the same address before."""
    part_bytes: int
    created_ms: int
    expires_ms: int | None = None
    inspector: Owner | None = None
    """The process that inspects the data set; each of its writes names its nonce."""
    failures: int = 0
    """Number of inspections that have ended by a crash or a stall."""
    losses: int = 0
    """Number of inspections whose process has disappeared."""
    inspection: Inspection | None = None
    problem: str | None = None
    place: Place | None = None
    stored_bytes: int | None = None
    """Size of what the data set keeps on the disk, once it was unpacked and packed."""
    fingerprint: str | None = None
    """That of the packed data, once the data set is ready."""
    was_ready: bool = False
    """Whether the data set was ready before another version of Bakehouse came. If that one cannot pack it, its file is
    kept."""
    refused_form: int | None = None
    """The version number of the packed form in which a data set that was ready before could not be packed."""
    idempotency: str | None = None
    """The digest of the idempotency key that created this data set."""
    token: str = ""
    """Random text that identifies the latest write; Redis has it beside the record."""

    @property
    def reference(self) -> str:
        """The name of this version in a canonical recipe."""
        return f"{self.name}@{self.version}"

    def listing(self, *, parts: Sequence[Part] | None = None, card: DatasetCard | None = None) -> DatasetListing:
        """Returns the data set as clients see it."""
        upload = Upload(
            filename=self.filename,
            bytes=self.bytes,
            received_bytes=self.received_bytes,
            part_bytes=self.part_bytes,
            parts=None if parts is None else tuple(parts),
            source=self.source,
            sha256=self.sha256,
            source_note=self.source_note,
            created_at=rfc3339(self.created_ms),
            expires_at=None if self.expires_ms is None else rfc3339(self.expires_ms),
        )
        return DatasetListing(
            id=self.id,
            name=self.name,
            version=self.version,
            status=self.status,
            problem=self.problem,
            place=self.place,
            upload=upload,
            inspection=self.inspection,
            card=card,
            summary=None if card is None else summarize(card),
        )

    def event(self) -> JsonObject:
        """Returns the data of the event that tells of this state."""
        shown = {"name", "version", "status", "bytes", "received_bytes", "problem", "fingerprint"}
        data: JsonObject = self.model_dump(mode="json", include=shown, exclude_none=True)
        if self.inspection is not None:
            data |= self.inspection.model_dump(mode="json", exclude_none=True)
        return data


def new_dataset_id() -> str:
    """Returns a random id."""
    return "data_" + "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def files_of(dataset_id: str) -> str:
    """Returns the key, in the store, of all files of an upload."""
    return f"{UPLOADS}/{dataset_id}"


def part_key(dataset_id: str, part: Part) -> str:
    """Returns the key of the file of a part, which contains its digest: a part with other bytes is another file."""
    return f"{files_of(dataset_id)}/parts/{part.number}-{part.sha256}"
