"""Uploads a data set in parts; after an interruption, only the parts that the service does not have yet. Or has the
service fetch it from an address.
"""

import base64
import hashlib
import math
import os
import tarfile
import tempfile
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote
from uuid import uuid4

from bakehouse.client.connection import Connection
from bakehouse.client.errors import DatasetRefused, FileChanged
from bakehouse.client.progress_bar import Report
from bakehouse.data.listing import DatasetListing, Datasets, Part
from bakehouse.data.source_formats import name_for

WAIT_SECONDS = 20  # seconds for which the service holds a request
PIECE_BYTES = 1 << 20
PART_SECONDS = 120.0  # a service under load may be slow to sync a part to its disk


@dataclass(frozen=True)
class SourceFile:
    """The file to upload, as it is now."""

    path: Path
    filename: str
    size: int
    changed_ns: int

    def pieces(self, start: int, size: int) -> Iterator[bytes]:
        """Yields a part of the file piece by piece. Raises FileChanged if it is no longer the same."""
        with self.path.open("rb") as file:
            file.seek(start)
            for done in range(0, size, PIECE_BYTES):
                status = os.fstat(file.fileno())
                if (status.st_size, status.st_mtime_ns) != (self.size, self.changed_ns):
                    raise FileChanged(self.filename)
                yield file.read(min(PIECE_BYTES, size - done))

    def sha256(self, start: int, size: int) -> str:
        """Returns the digest of a part of the file. Raises FileChanged."""
        digest = hashlib.sha256()
        for piece in self.pieces(start, size):
            digest.update(piece)
        return digest.hexdigest()


@contextmanager
def open_source(path: Path) -> Iterator[SourceFile]:
    """Yields the file at a path; of a folder, an archive of its files."""
    if not path.is_dir():
        yield describe(path, path.name)
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "archive.tar"
        pack_folder(path, archive)
        yield describe(archive, f"{path.resolve().name}.tar")


def describe(path: Path, filename: str) -> SourceFile:
    status = path.stat()
    return SourceFile(path, filename, status.st_size, status.st_mtime_ns)


def pack_folder(folder: Path, archive: Path) -> None:
    """Writes an archive that is the same whenever the files are, so that an interrupted upload of it can resume."""
    with tarfile.open(archive, "w") as opened:
        for path in sorted(folder.rglob("*")):
            # Hidden files are no data.
            names = path.relative_to(folder).parts
            if any(name.startswith(".") for name in names):
                continue
            member = tarfile.TarInfo("/".join(names))
            if path.is_symlink():
                # It could lead anywhere. The service refuses it by its name.
                member.type = tarfile.SYMTYPE
                opened.addfile(member)
            elif path.is_file():
                member.size = path.stat().st_size
                with path.open("rb") as file:
                    opened.addfile(member, file)


async def upload(connection: Connection, path: Path, *, name: str | None, wait: bool, report: Report) -> DatasetListing:
    """Uploads a file or a folder; returns the data set, inspected unless `wait` is false."""
    context = open_source(path)
    # To pack a folder takes time, during which an event loop must not wait.
    source = await connection.transport.call(context.__enter__)
    try:
        draft = await find_or_create(connection, source, name or name_for(source.filename))
        dataset = await send_parts(connection, draft, source, report)
    finally:
        await connection.transport.call(context.__exit__, None, None, None)
    return await wait_for_inspection(connection, dataset, report) if wait else dataset


async def fetch(
    connection: Connection, address: str, *, name: str | None, wait: bool, report: Report
) -> DatasetListing:
    """Has the service fetch a data set from an address; returns it, inspected unless `wait` is false."""
    document = {"name": name or name_for(unquote(address.partition("?")[0])), "source": address}
    headers = {"Idempotency-Key": str(uuid4())}
    response = await connection.request("POST", "/v1/datasets", json=document, headers=headers)
    dataset = connection.parse(DatasetListing, response)
    return await wait_for_inspection(connection, dataset, report) if wait else dataset


async def find_or_create(connection: Connection, source: SourceFile, name: str) -> DatasetListing:
    """Returns the draft of an earlier, interrupted upload of such a file, or a new one."""
    for each in (await connection.get(Datasets, "/v1/datasets")).data:
        found = each.upload
        is_same = found and (found.filename, found.bytes) == (source.filename, source.size)
        if each.status == "uploading" and each.name == name and is_same:
            return await connection.get(DatasetListing, f"/v1/datasets/{each.id}")
    document = {"name": name, "filename": source.filename, "bytes": source.size}
    headers = {"Idempotency-Key": str(uuid4())}
    response = await connection.request("POST", "/v1/datasets", json=document, headers=headers)
    return connection.parse(DatasetListing, response)


async def send_parts(
    connection: Connection, draft: DatasetListing, source: SourceFile, report: Report
) -> DatasetListing:
    """Sends the parts that the service does not have, and completes the upload."""
    assert draft.upload is not None
    part_bytes = draft.upload.part_bytes
    held: Mapping[int, Part] = {part.number: part for part in draft.upload.parts or ()}
    digests = []
    report("uploading", 0, source.size)
    for number in range(1, math.ceil(source.size / part_bytes) + 1):
        start = (number - 1) * part_bytes
        size = min(part_bytes, source.size - start)
        digests.append(await connection.transport.call(source.sha256, start, size))
        part = held.get(number)
        if part is None or part.sha256 != digests[-1]:
            body = connection.transport.body(partial(source.pieces, start, size))
            await send_part(connection, f"/v1/datasets/{draft.id}/parts/{number}", body, size, digests[-1])
        report("uploading", start + size, source.size)
    response = await connection.request("POST", f"/v1/datasets/{draft.id}/complete", json={"parts": digests})
    return connection.parse(DatasetListing, response)


async def send_part(
    connection: Connection, path: str, body: Iterable[bytes] | AsyncIterable[bytes], size: int, sha256: str
) -> None:
    """Sends a part, again after a lost connection."""
    encoded = base64.b64encode(bytes.fromhex(sha256)).decode()
    headers = {"Content-Digest": f"sha-256=:{encoded}:", "Content-Length": str(size)}
    await connection.request("PUT", path, content=body, headers=headers, timeout=PART_SECONDS)


async def wait_for_inspection(connection: Connection, dataset: DatasetListing, report: Report) -> DatasetListing:
    """Waits until a data set is inspected. Raises DatasetRefused if it cannot be used."""
    etag = ""
    while dataset.status == "inspecting":
        if dataset.inspection is not None:
            report(dataset.inspection.stage, dataset.inspection.done_bytes, dataset.inspection.total_bytes)
        headers = {"If-None-Match": etag, "Prefer": f"wait={WAIT_SECONDS}"} if etag else {}
        response = await connection.request(
            "GET", f"/v1/datasets/{dataset.id}", headers=headers, timeout=10.0 + WAIT_SECONDS
        )
        # Status 304 means that nothing has changed; it has no body.
        if response.is_success:
            dataset = connection.parse(DatasetListing, response)
            etag = response.headers["etag"]
    if dataset.status == "refused":
        raise DatasetRefused(dataset)
    return dataset
