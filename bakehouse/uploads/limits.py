"""Checks the sizes of uploads, and that an upload is complete."""

from collections.abc import Sequence

from bakehouse.data.listing import Part
from bakehouse.settings import Settings
from bakehouse.uploads.errors import DatasetTooLarge, NotUploading, PartRefused, UploadIncomplete, UploadsFull
from bakehouse.uploads.record import DatasetRecord

MAX_NAMED = 5


class UploadLimits:
    """The limits that the settings put on uploads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check_part(self, record: DatasetRecord, part: Part) -> None:
        """Refuses a part that the data set does not take, before its body is read: `part.bytes` may be 0 then."""
        if record.status != "uploading":
            raise NotUploading(record.id, record.status)
        if part.number > self._settings.max_upload_parts:
            raise PartRefused(
                f"Part {part.number} is one too many: an upload has at most {self._settings.max_upload_parts:,} parts "
                "(BAKEHOUSE_MAX_UPLOAD_PARTS). Send larger parts."
            )
        if part.bytes > record.part_bytes:
            raise DatasetTooLarge("A part", record.part_bytes, "send more parts, `part_bytes` is the size of each")

    def check_size(self, record: DatasetRecord, received: int) -> None:
        """Refuses more bytes than were announced, or than a data set may have."""
        if record.bytes is not None and received > record.bytes:
            raise DatasetTooLarge("The upload", record.bytes, "so many were announced when it was created")
        self.check_total(received)

    def check_quota(self, used: int, size: int) -> None:
        """Refuses a data set that has no room beside the `used` bytes of the others."""
        limit = self._settings.max_uploaded_bytes
        if limit is not None and used + size > limit:
            raise UploadsFull(used, limit)

    def check_total(self, size: int) -> None:
        """Refuses a data set of more bytes than allowed."""
        limit = self._settings.max_dataset_bytes
        if size > limit:
            raise DatasetTooLarge("A data set", limit, "BAKEHOUSE_MAX_DATASET_BYTES of the service is the limit")


def check_complete(record: DatasetRecord, parts: Sequence[Part], digests: Sequence[str] | None) -> None:
    """Raises UploadIncomplete if the parts are not the whole upload."""
    numbers = {part.number for part in parts}
    missing = sorted(set(range(1, max(numbers, default=1) + 1)) - numbers)
    if missing:
        listed = ", ".join(map(str, missing[:MAX_NAMED])) + (" and others" if len(missing) > MAX_NAMED else "")
        raise UploadIncomplete(f"These parts are missing: {listed}. Send them, then complete the upload again.")
    if record.bytes is not None and record.received_bytes != record.bytes:
        raise UploadIncomplete(
            f"{record.received_bytes:,} of {record.bytes:,} bytes have arrived. Send the other parts, then complete "
            "the upload again."
        )
    if not parts:
        raise UploadIncomplete("No part has arrived. Send at least one, then complete the upload again.")
    if digests is None:
        return
    found = [part.sha256 for part in parts]
    if list(digests) != found:
        different = [
            number for number, pair in enumerate(zip(digests, found, strict=False), start=1) if len(set(pair)) > 1
        ]
        where = (
            f"part {different[0]} is another"
            if different
            else f"{len(found)} parts are here, {len(digests)} are listed"
        )
        raise UploadIncomplete(f"The parts are not those of `parts`: {where}. Send the parts that differ again.")
