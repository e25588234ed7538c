"""Fetches a data set from its address into the store, where it is then inspected like an upload in one part."""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO

from bakehouse.data.listing import Inspection, Part
from bakehouse.runs.artifacts import refuse_without_room
from bakehouse.runs.errors import StorageFull
from bakehouse.settings import Settings
from bakehouse.store.object_store import ObjectStore
from bakehouse.uploads.addresses import Address, AddressRefused, HostRules, parse_location
from bakehouse.uploads.errors import DatasetTooLarge, UploadsFull
from bakehouse.uploads.inspections import Inspections
from bakehouse.uploads.record import DatasetRecord, files_of, part_key
from bakehouse.uploads.records import DatasetRecords
from bakehouse.uploads.s3_objects import S3Object, Source, address_of, parse_source
from worker.host.https_request import Cut, Deadline, FetchRefused, Response, open_response
from worker.host.s3_access import S3Access

MAX_TRIES = 5
"""Number of tries, one after the other, that bring less than PROGRESS_BYTES."""
PROGRESS_BYTES = 1 << 20
FIRST_PAUSE_SECONDS = 0.5
"""Time before the second try; it doubles with each."""
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
LATER = (408, 425, 429)
"""Statuses, beside those of 500 and above, after which the same request may succeed."""
RESERVED_BYTES = 64 << 20
"""The quota is asked for so many bytes at a time, if the server does not say how long the file is."""
RANGE = re.compile(r"bytes (\d+)-\d+/\d+")

REFUSALS = (AddressRefused, DatasetTooLarge, UploadsFull, StorageFull, OSError)
"""What ends a fetch for good. An OSError is one of the disk."""


def fetch(
    record: DatasetRecord,
    store: ObjectStore,
    records: DatasetRecords,
    fetches: Inspections,
    report: Callable[[Inspection | None], None],
) -> None:
    """Fetches a data set that this process has claimed, and queues its inspection; or refuses it."""
    # Those before it have left their file if they were killed.
    store.clean_up(f"{files_of(record.id)}/parts", older_than_seconds=0)
    path = store.new_path(f"{files_of(record.id)}/parts/1")
    try:
        with path.open("xb") as file:
            source = parse_source(record.source or "")
            part = Download(source, file, records.settings, lambda size: fetches.reserve(record, size), report).run()
        refuse_other_digest(part, record.sha256)
        store.put(part_key(record.id, part), path)
        fetches.hand_over(record, part, compare(record, part.sha256, records.all()))
    except REFUSALS as error:
        fetches.refuse(record, f"it could not be fetched: {describe(error)}", None)
    finally:
        path.unlink(missing_ok=True)


def refuse_other_digest(part: Part, expected: str | None) -> None:
    """Raises FetchRefused for a file that is empty, or another one than the client expects."""
    if not part.bytes:
        raise FetchRefused("the file is empty")
    if expected not in (None, part.sha256):
        raise FetchRefused(
            f"the file has the sha-256 {part.sha256}, not {expected}, which the request has: it has changed, or is "
            "another file"
        )


def compare(record: DatasetRecord, sha256: str, others: list[DatasetRecord]) -> str | None:
    """Returns how a file compares with the latest one that was fetched from the same address; None if it is the
    first."""
    earlier = [
        other
        for other in others
        if other.source == record.source
        and other.sha256 is not None
        and other.id != record.id
        and (other.bytes or other.stored_bytes)
    ]
    if not earlier:
        return None
    latest = earlier[-1]
    if latest.sha256 == sha256:
        return f"the file is the same that {latest.reference} was fetched as, from this address"
    return f"the file differs from what {latest.reference} was fetched as, from this address (sha256 {latest.sha256})"


def describe(error: Exception) -> str:
    """Returns what a client may learn of an error."""
    return str(error.strerror) if isinstance(error, OSError) else str(error)


class Download:
    """Writes the file of a source to the disk; after a cut it asks for the rest only, if the server offers that."""

    def __init__(
        self,
        source: Source,
        file: BinaryIO,
        settings: Settings,
        reserve: Callable[[int], None],
        report: Callable[[Inspection | None], None],
    ) -> None:
        self._address = address_of(source, settings)
        self._s3 = S3Access(source, settings) if isinstance(source, S3Object) else None
        self._file = file
        self._settings = settings
        self._rules = HostRules(settings)
        self._reserve = reserve
        self._report = report
        self._deadline = Deadline(time.monotonic() + settings.fetch_seconds)
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._reserved = 0
        self._validator: str | None = None
        """What tells the server that the file is still the one of which we have the beginning."""

    def run(self) -> Part:
        """Fetches the file. Raises AddressRefused and what says that there is no room."""
        tries = 0
        before = 0
        while True:
            try:
                self._receive()
            except Cut as error:
                tries = 1 if self._bytes >= before + PROGRESS_BYTES else tries + 1
                before = self._bytes
                if tries == MAX_TRIES:
                    where = f"{self._bytes:,} bytes after the beginning, at the last of {MAX_TRIES} tries"
                    raise FetchRefused(f"{error}, {where}") from error
                self._wait(FIRST_PAUSE_SECONDS * 2 ** (tries - 1))
            else:
                self._file.flush()
                return Part(number=1, bytes=self._bytes, sha256=self._digest.hexdigest())

    def _wait(self, seconds: float) -> None:
        """Waits before the next try. The report notices a deletion."""
        self._report(None)
        time.sleep(self._deadline.wait(seconds))

    def _receive(self) -> None:
        """Fetches the file, or the rest of it."""
        with self._follow() as response:
            self._begin(response)
            length = response.headers.get("content-length")
            total = None if length is None else self._bytes + int(length)
            if total is not None:
                self._require(total)
            for block in response.wire.body():
                if not self._bytes:
                    refuse_web_page(response.headers, block)
                self._keep(block, total)
            if response.wire.has_more():
                raise FetchRefused(f"the server sends more than the {self._bytes:,} bytes that it announces")

    @contextmanager
    def _follow(self) -> Iterator[Response]:
        """Asks for the file, also where the server redirects to, which learns nothing of an access key."""
        address = self._address
        self._rules.check(address)
        for count in range(MAX_REDIRECTS + 1):
            access = None if count else self._s3
            with self._ask(address, access) as response:
                if access is not None:
                    access.check(response)
                if response.status not in REDIRECTS:
                    yield response
                    return
            address = self._next_address(response, address)
        raise FetchRefused(f"the server redirects more than {MAX_REDIRECTS} times")

    def _next_address(self, response: Response, base: Address) -> Address:
        """Returns where the server redirects to. Raises FetchRefused if that may not be asked."""
        location = response.headers.get("location")
        if location is None:
            raise FetchRefused(f"the server answers with status {response.status}, and does not say where the file is")
        try:
            address = parse_location(location, base=base.url)
            self._rules.check(address)
        except AddressRefused as error:
            raise FetchRefused(f"the server redirects to an address that is not fetched: {error}") from error
        return address

    def _ask(self, address: Address, access: S3Access | None) -> AbstractContextManager[Response]:
        wishes = self._wishes()
        headers = wishes if access is None else access.headers(address, wishes)
        may_be_private = self._rules.may_be_private(address)
        return open_response(address, headers, may_be_private=may_be_private, deadline=self._deadline)

    def _wishes(self) -> Mapping[str, str]:
        """Returns the header fields that ask for the rest of a file of which we have the beginning."""
        if self._validator is None:
            return {}
        return {"Range": f"bytes={self._bytes}-", "If-Range": self._validator}

    def _begin(self, response: Response) -> None:
        """Prepares for a response with the rest of the file, or with all of it."""
        status, headers = response.status, response.headers
        place = RANGE.fullmatch(headers.get("content-range", ""))
        is_rest = status == 206 and self._validator is not None and place and int(place[1]) == self._bytes
        if is_rest and validator_of(headers) == self._validator:
            return
        self._start_again()
        if status == 206 or status >= 500 or status in LATER:
            raise Cut(f"the server answers with status {status}")
        if status != 200:
            raise FetchRefused(f"the server answers with status {status}")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise FetchRefused("the server sends the file compressed, although it was asked not to")
        if headers.get("accept-ranges") == "bytes":
            self._validator = validator_of(headers)

    def _start_again(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._validator = None

    def _keep(self, block: bytes, total: int | None) -> None:
        if total is None and self._bytes + len(block) > self._reserved:
            self._require(self._bytes + len(block), more=RESERVED_BYTES)
        self._file.write(block)
        self._digest.update(block)
        self._bytes += len(block)
        self._report(Inspection(stage="fetching", done_bytes=self._bytes, total_bytes=total))

    def _require(self, size: int, more: int = 0) -> None:
        """Raises DatasetTooLarge, UploadsFull and StorageFull."""
        limit = self._settings.max_dataset_bytes
        if size > limit:
            raise DatasetTooLarge("A data set", limit, "BAKEHOUSE_MAX_DATASET_BYTES of the service is the limit")
        wanted = min(size + more, limit)
        if wanted > self._reserved:
            refuse_without_room(self._settings.store_folder / "fetched", wanted - self._bytes)
            self._reserve(wanted)
            self._reserved = wanted


def refuse_web_page(headers: Mapping[str, str], beginning: bytes) -> None:
    """Raises FetchRefused for a page that a server shows about a file, or in place of it."""
    is_page = beginning.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html"))
    if is_page and headers.get("content-type", "").lower().startswith("text/html"):
        raise FetchRefused(
            "the server sends a web page: use the address of the file itself, as of a link to download it"
        )


def validator_of(headers: Mapping[str, str]) -> str | None:
    """Returns what identifies the bytes of a file: its tag, unless that says only that files mean the same."""
    tag = headers.get("etag")
    return None if tag is None or tag.startswith("W/") else tag
