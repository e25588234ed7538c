"""Defines the errors that only exist in HTTP; `service/task_errors.py` has those of short tasks.

`service/error_responses.py` turns every error into a response.

ServiceError
├── Unauthorized                401  unauthorized
├── ScopeMissing                403  scope_missing
├── TooManyFailures             429  too_many_failures
├── CrossSiteRequest            403  cross_site_request
├── MisdirectedRequest          421  misdirected_request
├── BodyTooLarge                413  body_too_large
├── HeadersTooLarge             431  headers_too_large
├── MalformedRequest            400  malformed_request
├── IncompleteBody              400  incomplete_body
├── RequestTimeout              408  request_timeout
├── UnsupportedMediaType        415  unsupported_media_type
├── UnsupportedContentEncoding  415  unsupported_content_encoding
├── PreconditionFailed          412  precondition_failed
├── InvalidRequest              422  invalid_request
├── CheckpointNotFound          404  checkpoint_not_found
├── CheckpointUnusable          409  checkpoint_unusable
├── LogNotFound                 404  log_not_found
├── EpochsMissing               409  epochs_missing
├── CheckpointDamaged           410  checkpoint_damaged
├── SplitUnknown                409  split_unknown
├── DatasetNotUploaded          409  dataset_not_uploaded
├── DatasetUnusable             409  dataset_unusable
├── RangeNotSatisfiable         416  range_not_satisfiable
├── TooManyStreams              429  too_many_streams
├── TooManyConnections          503  too_many_connections
└── StoreUnavailable            503  store_unavailable
"""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from bakehouse.recipe.problems import Problem
from service.problem_types import PROBLEM_TYPES

RETRY_SECONDS = "1"
# Streams last long, so a place is rarely free at once.
STREAM_SECONDS = "5"
# Longer than RETRY_SECONDS, because it takes time to mount a folder.
REMOUNT_SECONDS = "10"
# Names and paths that a client sent are cut to this length in a problem document.
MAX_SHOWN_CHARACTERS = 200


class ServiceError(Exception):
    """Base class of errors that only exist in HTTP; their messages are sentences for the user."""

    name: ClassVar[str]
    """The last part of the problem's `type`."""
    headers: Mapping[str, str] = {}
    errors: Sequence[Problem] = ()

    @property
    def status(self) -> int:
        """The HTTP status of the problem's type."""
        return PROBLEM_TYPES[self.name].status


class Unauthorized(ServiceError):
    """Raised if a request needs an API key, and has none that is accepted. The reason is not said, because it would
    tell which keys exist."""

    name = "unauthorized"

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(
            "This needs a valid API key: send one header `Authorization: Bearer KEY`, and the key nowhere else."
        )
        # RFC 9110, section 15.5.2, requires this header with the status 401.
        self.headers = {"WWW-Authenticate": 'Bearer realm="bakehouse"', **(headers or {})}


class ScopeMissing(ServiceError):
    """Raised if an API key does not permit a request."""

    name = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs an API key with the scope `{scope}`, which your key does not have.")


class TooManyFailures(ServiceError):
    """Raised if an address has sent too many wrong keys."""

    name = "too_many_failures"

    def __init__(self, limit: int, seconds: float) -> None:
        super().__init__(f"Your address has sent {limit} wrong API keys within a minute, which is the limit.")
        self.headers = {"Retry-After": str(math.ceil(seconds))}


class CrossSiteRequest(ServiceError):
    """Raised if the browser reports that a page of another site sent a request that would change something."""

    name = "cross_site_request"

    def __init__(self) -> None:
        super().__init__(
            "A web page of another site may not change anything here. If this is your own page behind a proxy, add the "
            "page's host to BAKEHOUSE_ALLOWED_HOSTS."
        )


class MisdirectedRequest(ServiceError):
    """Raised if the request is meant for a host that is not this service."""

    name = "misdirected_request"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"The request is for the host {host[:MAX_SHOWN_CHARACTERS]!r}, but this service answers only for "
            "localhost, 127.0.0.1, [::1], and the hosts in BAKEHOUSE_URL and BAKEHOUSE_ALLOWED_HOSTS."
        )


class BodyTooLarge(ServiceError):
    """Raised if the body has more bytes than the service accepts."""

    name = "body_too_large"

    def __init__(self, limit: int, setting: str = "BAKEHOUSE_MAX_BODY_BYTES") -> None:
        super().__init__(f"The body has more than {limit} bytes ({setting}).")


class HeadersTooLarge(ServiceError):
    """Raised if the request line and headers have more bytes than the service accepts."""

    name = "headers_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request line and headers have more than {limit} bytes.")


class MalformedRequest(ServiceError):
    """Raised if the bytes on the connection are not an HTTP request."""

    name = "malformed_request"


class IncompleteBody(ServiceError):
    """Raised if the client closed the connection before it had sent the whole body."""

    name = "incomplete_body"

    def __init__(self) -> None:
        super().__init__("The connection closed before the body was complete.")


class RequestTimeout(ServiceError):
    """Raised if the client did not send its request in time."""

    name = "request_timeout"
    headers = {"Connection": "close"}


class UnsupportedMediaType(ServiceError):
    """Raised if the body's Content-Type is not JSON."""

    name = "unsupported_media_type"

    def __init__(self, *supported: str) -> None:
        super().__init__(f"The body must be sent with Content-Type: {' or '.join(supported)}.")


class UnsupportedContentEncoding(ServiceError):
    """Raised if the body has a Content-Encoding, so that it is compressed."""

    name = "unsupported_content_encoding"
    headers = {"Accept-Encoding": "identity"}

    def __init__(self) -> None:
        super().__init__("The body must be sent without a Content-Encoding.")


class PreconditionFailed(ServiceError):
    """Raised if the client asked for another version of the file."""

    name = "precondition_failed"

    def __init__(self) -> None:
        super().__init__("The file has none of the ETags in If-Match.")


class InvalidRequest(ServiceError):
    """Raised if query parameters, headers, or fields of a body other than a recipe are wrong."""

    name = "invalid_request"

    def __init__(self, *errors: Problem) -> None:
        super().__init__("The request is not valid.")
        self.errors = errors


class CheckpointNotFound(ServiceError):
    """Raised if the run does not have this checkpoint, or no longer has it."""

    name = "checkpoint_not_found"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The run {run_id} has no such checkpoint.")


class CheckpointUnusable(ServiceError):
    """Raised if a checkpoint cannot predict because its file, its data set or its version is not usable here."""

    name = "checkpoint_unusable"


class LogNotFound(ServiceError):
    """Raised if no attempt at the run has written a log, or not this attempt."""

    name = "log_not_found"

    def __init__(self, run_id: str, attempt: int | None) -> None:
        which = "no log yet: no worker has taken it" if attempt is None else f"no log of an attempt {attempt}"
        super().__init__(f"The run {run_id} has {which}.")


class EpochsMissing(ServiceError):
    """Raised if a question needs the metrics of epochs, and no epoch of the run is complete."""

    name = "epochs_missing"

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(f"The run {run_id} is {status} and has no complete epoch, so it has no curve.")


class CheckpointDamaged(ServiceError):
    """Raised if the file of a checkpoint does not have the size and the digest that were recorded when it was saved."""

    name = "checkpoint_damaged"
    # Not a status of 500 or above, on which clients would try again.

    def __init__(self, run_id: str, epoch: int, why: str) -> None:
        super().__init__(
            f"The file of the checkpoint of epoch {epoch} of the run {run_id} is damaged: {why}. Restore it from a "
            "backup, or retry the run to train the same weights again."
        )


class SplitUnknown(ServiceError):
    """Raised if the rows of a run's splits cannot be listed, because the data set is not the one of the run."""

    name = "split_unknown"

    def __init__(self, run_id: str, why: str) -> None:
        super().__init__(f"The rows of the run {run_id} cannot be listed: {why}.")


class DatasetNotUploaded(ServiceError):
    """Raised if a data set should be deleted that was not uploaded."""

    name = "dataset_not_uploaded"

    def __init__(self, name: str) -> None:
        super().__init__(f"The data set {name} was not uploaded: it comes with Bakehouse or is a file of the service.")


class DatasetUnusable(ServiceError):
    """Raised if rows or the file of a data set are asked for that cannot be used or is not on this machine."""

    name = "dataset_unusable"


class TooManyStreams(ServiceError):
    """Raised if a client opens more streams than the service can serve."""

    name = "too_many_streams"
    headers = {"Retry-After": STREAM_SECONDS}

    def __init__(self, limit: int, whose: str) -> None:
        super().__init__(
            f"There are {limit} streams {whose} already, which is the limit. Close one, or follow several runs with "
            "one stream of /v1/events."
        )


class TooManyConnections(ServiceError):
    """Raised if there are more connections than the service can serve."""

    name = "too_many_connections"
    headers = {"Retry-After": RETRY_SECONDS, "Connection": "close"}

    def __init__(self) -> None:
        super().__init__("The service has too many connections at the moment.")


class StoreUnavailable(ServiceError):
    """Raised if the file of a listed checkpoint cannot be opened."""

    name = "store_unavailable"
    headers = {"Retry-After": REMOUNT_SECONDS}

    def __init__(self, run_id: str, why: OSError) -> None:
        # The path is left out: the operator needs only the setting, and clients should learn nothing about the machine.
        super().__init__(
            f"A checkpoint of the run {run_id} is listed, but its file in BAKEHOUSE_HOME of the service cannot be "
            f"opened ({why.strerror}). Check that this is the folder that the workers write to."
        )


class RangeNotSatisfiable(ServiceError):
    """Raised if the requested range begins after the end of the file."""

    name = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"The requested range begins after the end of the file, which has {size} bytes.")
        self.headers = {"Content-Range": f"bytes */{size}"}
