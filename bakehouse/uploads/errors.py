"""Exceptions about uploaded data sets. They are independent of HTTP.

UploadError
├── UploadNotFound    there is no uploaded data set of this id or name
├── NotUploading      the data set takes no parts any more
├── WrongDigest       a part does not have the digest that the client announced
├── PartRefused       a part is too large, or its number is
├── UploadIncomplete  parts are missing
├── DatasetTooLarge   an upload has more bytes than allowed
├── UploadsFull       all uploads together have more bytes than allowed
├── DatasetNeeded     runs that are not over need the data set
└── InspectionLost    another process inspects the data set now, or it was deleted
"""

from collections.abc import Sequence

from bakehouse.plurals import listed

# A message names this many and counts the rest.
MAX_NAMED = 5


class UploadError(Exception):
    """Base class of the errors above; their messages are sentences for the user."""


class UploadNotFound(UploadError):
    """Raised if there is no uploaded data set of this id or name."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"There is no uploaded data set {reference[:100]!r}.")


class NotUploading(UploadError):
    """Raised if the data set takes no parts any more, because it is complete."""

    def __init__(self, dataset_id: str, status: str) -> None:
        super().__init__(
            f"The data set {dataset_id} is {status}, so its parts cannot change. Upload the file again: it becomes the "
            "next version."
        )


class WrongDigest(UploadError):
    """Raised if a part does not have the digest that the client announced."""

    def __init__(self, number: int, *, announced: str, found: str) -> None:
        super().__init__(f"Part {number} has the sha-256 {found}, not {announced}. Send the part again.")


class PartRefused(UploadError):
    """Raised if the number of a part is too large."""


class UploadIncomplete(UploadError):
    """Raised if an upload is completed although parts are missing or have other digests than the client lists."""


class DatasetTooLarge(UploadError):
    """Raised if an upload, or a part of it, has more bytes than allowed or announced."""

    def __init__(self, what: str, limit: int, why: str) -> None:
        super().__init__(f"{what} may have at most {limit:,} bytes: {why}.")


class UploadsFull(UploadError):
    """Raised if all uploads together would have more bytes than allowed."""

    def __init__(self, used: int, limit: int) -> None:
        super().__init__(
            f"The uploaded data sets have {used:,} of {limit:,} bytes (BAKEHOUSE_MAX_UPLOADED_BYTES), which leaves too "
            "few for this one. Delete data sets that are no longer needed."
        )


class DatasetNeeded(UploadError):
    """Raised if runs that are not over need the data set that should be deleted."""

    def __init__(self, reference: str, runs: Sequence[str]) -> None:
        super().__init__(
            f"The data set {reference} cannot be deleted before these runs are over: {listed(runs, MAX_NAMED)}."
        )
        self.runs = tuple(runs)


class InspectionLost(UploadError):
    """Raised if another process inspects the data set now, or it was deleted."""

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"This process no longer inspects the data set {dataset_id}.")
