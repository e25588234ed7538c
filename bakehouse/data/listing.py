"""Defines a data set as `GET /v1/datasets` shows it."""

from typing import Literal

from bakehouse.data.summary import DatasetSummary
from bakehouse.model import Model
from bakehouse.plan.card import DatasetCard

DatasetStatus = Literal["ready", "packing", "broken", "absent", "uploading", "inspecting", "refused", "deleted"]
Stage = Literal["waiting", "fetching", "joining", "unpacking", "reading"]


class Place(Model):
    """Where in an uploaded data set a problem is, as far as it is known."""

    file: str | None = None
    """The file."""
    line: int | None = None
    """The line of a text file, from 1."""
    column: str | None = None
    """The name of the column of a table."""
    member: str | None = None
    """The name of the entry of an archive."""


class Part(Model):
    """A part of an upload that the service holds."""

    number: int
    """Its position in the upload, from 1."""
    bytes: int
    sha256: str


class Upload(Model):
    """What the service holds of an upload, and what it expects."""

    filename: str | None = None
    """The name that the client's file has; its ending names the format."""
    bytes: int | None = None
    """Size of the whole upload; null if the client did not announce it and has not completed it."""
    received_bytes: int = 0
    """Total size of the parts that the service holds."""
    part_bytes: int
    """The size that parts should have; larger ones are refused."""
    parts: tuple[Part, ...] | None = None
    """The parts that the service holds, while the data set is `uploading`. Null in lists."""
    source: str | None = None
    """The address from which the data set is fetched; null if it is uploaded."""
    sha256: str | None = None
    """The digest of the file that was fetched, in hexadecimal. The address is not read again."""
    source_note: str | None = None
    """How the file compares with what another data set was, that was fetched from the same address before."""
    created_at: str
    expires_at: str | None = None
    """Time after which the service deletes the upload unless another part arrives. Null once it is complete."""


class Inspection(Model):
    """How far the inspection of an upload has come."""

    stage: Stage
    """`waiting` for a worker's machine; `fetching` from another host; `joining` the parts; `unpacking` an archive;
    `reading` and packing the data."""
    done_bytes: int = 0
    """Bytes that this stage has handled."""
    total_bytes: int | None = None
    """Bytes that this stage has to handle, if that is known."""


class DatasetListing(Model):
    """A data set as `GET /v1/datasets` shows it."""

    id: str
    """`data_` and 12 characters for one version of an uploaded data set; for any other, the name that recipes use."""
    name: str
    """The name that recipes use; that of an uploaded data set means its newest version."""
    version: int | None = None
    """Number of the version of an uploaded data set, from 1; a recipe names it as `NAME@2`."""
    status: DatasetStatus
    """`uploading`, `inspecting`, `ready` or `refused` for an uploaded data set; `packing`, `ready` or `broken` for
    another. `absent`: the set is known by name, but its files are not on this machine."""
    problem: str | None = None
    """For a refused or broken set, what is wrong and where; for an absent set, how to get its files."""
    place: Place | None = None
    """For a refused set, where the problem is."""
    upload: Upload | None = None
    """Null unless the data set was uploaded."""
    inspection: Inspection | None = None
    """Null unless the data set is being inspected."""
    card: DatasetCard | None = None
    """Null until the set is ready."""
    summary: DatasetSummary | None = None
    """The card in short; null without a card."""

    @property
    def reference(self) -> str:
        """The name, with the version if it has one."""
        return self.name if self.version is None else f"{self.name}@{self.version}"


class Datasets(Model):
    """The data sets that recipes can name, and those that were uploaded and cannot be used yet."""

    data: tuple[DatasetListing, ...]
