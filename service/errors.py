"""Defines the errors of the service, and turns every error into a response with a problem document (RFC 9457).

ServiceError
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
├── LogNotFound                 404  log_not_found
├── CheckpointDamaged           410  checkpoint_damaged
├── SplitUnknown                409  split_unknown
├── RangeNotSatisfiable         416  range_not_satisfiable
├── TooManyStreams              429  too_many_streams
├── TooManyConnections          503  too_many_connections
└── StoreUnavailable            503  store_unavailable
`service/task_errors.py` has those of short tasks. Errors of recipes, runs, data sets, Redis and the framework are
classes of those packages; `error_response` knows them.
`service/problem_types.py` lists all types with their statuses; `/problems/NAME` shows them.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from bakehouse.data.errors import DatasetNotFound, DatasetNotReady
from bakehouse.model import Model
from bakehouse.recipe.problems import MalformedJson, Problem, RecipeInvalid, pointer
from bakehouse.runs.errors import (
    CursorNotFound,
    FolderNotShared,
    IdempotencyMismatch,
    IllegalTransition,
    LogDamaged,
    MarkerDamaged,
    RecordUnreadable,
    RunHasDependants,
    RunNotFound,
    RunsError,
    SourceRunDeleted,
    StorageFull,
    StorageUnavailable,
)
from bakehouse.runs.patience import is_refusal
from bakehouse.studies import StudyNotFound
from service.problem_types import PATH, PROBLEM_TYPES

MEDIA_TYPE = "application/problem+json"
REQUEST_ID = "bakehouse.request_id"
PREFIX = "bakehouse.prefix"
RETRY_SECONDS = "1"
# Streams last long, so a place is rarely free at once.
STREAM_SECONDS = "5"
# Longer than RETRY_SECONDS, because it takes time to mount a folder.
REMOUNT_SECONDS = "10"
# Names and paths that a client sent are cut to this length in a problem document.
MAX_SHOWN_CHARACTERS = 200
# The request may have been carried out although Redis's reply was lost.
TRY_AGAIN = "Try again; with the same Idempotency-Key nothing is done twice."

log = logging.getLogger(__name__)


class ProblemDocument(Model):
    """The reason why a request failed (RFC 9457)."""

    type: str
    """The address of a page about this type of problem, relative to the service, such as `/problems/invalid_recipe`.
    Its last part is a name that programs can compare."""
    title: str
    """The standard phrase of the HTTP status."""
    status: int
    """The HTTP status."""
    detail: str
    """A human-readable sentence."""
    instance: str
    """The path of the request, below the prefix that a proxy names in `X-Forwarded-Prefix`."""
    request_id: str
    """The same as the response's `X-Request-Id`."""
    errors: tuple[Problem, ...] | None = None
    """With status 422: all errors in the request."""
    run_status: str | None = None
    """With `illegal_transition`: the status of the run, which may be why the action is not allowed."""
    run_request: str | None = None
    """With `illegal_transition`: the pending request of the run, if any."""
    dependants: tuple[str, ...] | None = None
    """With `run_has_dependants`: the runs that build on the weights of the run that should be deleted."""


@dataclass(frozen=True, kw_only=True)
class ErrorResponse:
    """A problem document without the fields that depend on the request, such as its path."""

    name: str
    detail: str
    errors: Sequence[Problem] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status of the problem's type."""
        return PROBLEM_TYPES[self.name].status


# The message stays general, because the text of an unexpected error may contain paths or secrets.
INTERNAL = ErrorResponse(name="internal", detail="The service failed; its log has the details.")


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

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body has more than {limit} bytes.")


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

    def __init__(self, supported: str) -> None:
        super().__init__(f"The body must be sent with Content-Type: {supported}.")


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


class LogNotFound(ServiceError):
    """Raised if no attempt at the run has written a log, or not this attempt."""

    name = "log_not_found"

    def __init__(self, run_id: str, attempt: int | None) -> None:
        which = "no log yet: no worker has taken it" if attempt is None else f"no log of an attempt {attempt}"
        super().__init__(f"The run {run_id} has {which}.")


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


HANDLED_ERRORS: tuple[type[Exception], ...] = (
    HTTPException, RequestValidationError, ServiceError, MalformedJson, RecipeInvalid, RunsError, DatasetNotFound,
    StudyNotFound, DatasetNotReady, RedisConnectionError, RedisTimeoutError, ResponseError, ClientDisconnect, Exception,
)  # fmt: skip


async def respond_to_error(request: Request, error: Exception) -> Response:
    """Returns the response to an error of any class in HANDLED_ERRORS."""
    response = error_response(error)
    # RFC 9110, section 15.5.6, requires the header Allow with this status.
    if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
        response = replace(response, headers={"Allow": ", ".join(allowed_methods(request))})
    return render(request.scope, response)


def allowed_methods(request: Request) -> Iterator[str]:
    """Yields the methods of all routes with this path; the framework lists only the methods of the first such route."""
    for method in ("DELETE", "GET", "HEAD", "PATCH", "POST"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            yield method


def error_response(error: Exception) -> ErrorResponse:
    """Returns the problem that the client gets for an error."""
    match error:
        case ServiceError():
            return ErrorResponse(name=error.name, detail=str(error), errors=error.errors, headers=error.headers)
        case HTTPException():
            return framework_error_response(error)
        case RequestValidationError():
            return error_response(InvalidRequest(*(parameter_error(detail) for detail in error.errors())))
        case ClientDisconnect():
            return error_response(IncompleteBody())
        case MalformedJson():
            return ErrorResponse(name="malformed_json", detail=str(error))
        case RecipeInvalid(problems=problems):
            return ErrorResponse(name="invalid_recipe", detail="The recipe is not valid.", errors=problems)
        case RunsError():
            return runs_error_response(error)
        case DatasetNotFound():
            return ErrorResponse(name="dataset_not_found", detail="There is no data set of that name.")
        case StudyNotFound():
            return ErrorResponse(name="study_not_found", detail=str(error))
        case DatasetNotReady():
            headers = {"Retry-After": str(error.retry_after)}
            return ErrorResponse(name="dataset_not_ready", detail=str(error), headers=headers)
        case RedisConnectionError() | RedisTimeoutError():
            return unavailable("redis_unavailable", f"Redis does not answer. {TRY_AGAIN}")
        case ResponseError():
            return redis_error_response(error)
        case _:
            return INTERNAL


def runs_error_response(error: RunsError) -> ErrorResponse:
    """Returns the problem for an error of the store of runs."""
    match error:
        case IllegalTransition():
            return ErrorResponse(
                name="illegal_transition",
                detail=str(error),
                extra={"run_status": error.status, "run_request": error.request},
            )
        case RunHasDependants():
            return ErrorResponse(name="run_has_dependants", detail=str(error), extra={"dependants": error.dependants})
        case SourceRunDeleted():
            return ErrorResponse(name="source_run_deleted", detail=str(error))
        case RecordUnreadable():
            return ErrorResponse(name="run_unreadable", detail=str(error))
        case RunNotFound():
            return ErrorResponse(name="run_not_found", detail=str(error))
        case CursorNotFound(parameter=parameter):
            message = "there is no run with this id, so the list cannot continue from it"
            return error_response(InvalidRequest(Problem(parameter=parameter, code="unknown_cursor", message=message)))
        case IdempotencyMismatch():
            detail = "The Idempotency-Key was used before with another body."
            return ErrorResponse(name="idempotency_mismatch", detail=detail)
        case LogDamaged():
            return ErrorResponse(name="log_damaged", detail=str(error))
        case StorageFull():
            return unavailable("storage_full", "The disk of the service is full.")
        case StorageUnavailable():
            log.error("%s", error)
            return unavailable("storage_unavailable", str(error))
        case MarkerDamaged():
            log.error("%s", error)
            return unavailable("store_unavailable", str(error), seconds=REMOUNT_SECONDS)
        case FolderNotShared():
            log.error("%s", error)
            # The error's own text names a host and a folder, which clients should not learn.
            message = "BAKEHOUSE_HOME of the service is not the folder that holds the files of its runs."
            return unavailable("store_unavailable", message, seconds=REMOUNT_SECONDS)
        case _:
            return INTERNAL


def redis_error_response(error: ResponseError) -> ErrorResponse:
    """Returns the problem for a command that Redis refused: it refuses all writes now, or the command is a bug of ours,
    which is logged."""
    if isinstance(error, OutOfMemoryError) or "OOM " in str(error):
        return unavailable("redis_full", "Redis has no memory left; the request was not accepted.")
    if is_refusal(error):
        log.warning("Redis refuses writes: %s", error)
        return unavailable("redis_read_only", "Redis accepts no writes at the moment; the request was not accepted.")
    log.error("Redis refused a command", exc_info=error)
    return INTERNAL


def framework_error_response(error: HTTPException) -> ErrorResponse:
    """Returns the problem for an error that the web framework raises itself: 404 or 405."""
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    return ErrorResponse(name=status.name.lower(), detail=f"{status.phrase}.", headers=headers)


def unavailable(name: str, detail: str, *, seconds: str = RETRY_SECONDS) -> ErrorResponse:
    """Returns a problem with status 503, for a failure that is probably temporary."""
    return ErrorResponse(name=name, detail=detail, headers={"Retry-After": seconds})


# The functions below leave out the input, which pydantic's errors contain: it may be large or secret.


def parameter_error(error: Any) -> Problem:
    """Describes an error that the web framework found in a parameter or header."""
    name = str(error["loc"][-1])[:MAX_SHOWN_CHARACTERS]
    return Problem(parameter=name, code=error["type"], message=error["msg"])


def field_error(error: ErrorDetails) -> Problem:
    """Describes an error that pydantic found in a field of a body other than a recipe."""
    path = [step for step in error["loc"] if step != "[key]"]  # pydantic adds this if the key itself is wrong
    return Problem(pointer=pointer(path)[:MAX_SHOWN_CHARACTERS], code=error["type"], message=error["msg"])


def problem_document(response: ErrorResponse, *, path: str, prefix: str = "", request_id: str = "") -> ProblemDocument:
    """Returns the body of the response to a request for this path."""
    return ProblemDocument(
        type=f"{prefix}{PATH}{response.name}",
        title=HTTPStatus(response.status).phrase,
        status=response.status,
        detail=response.detail,
        # The member must be a URI reference, but a decoded path may contain any character.
        instance=quote(prefix + path)[:MAX_SHOWN_CHARACTERS],
        request_id=request_id,
        errors=tuple(response.errors) or None,
        **response.extra,
    )


def render(scope: Scope, response: ErrorResponse) -> Response:
    """Returns the response as problem+json. It is ASCII, so nothing that the client sent can break it."""
    prefix = scope.get(PREFIX, "")
    request_id = scope.get(REQUEST_ID, "")
    document = problem_document(response, path=scope["path"], prefix=prefix, request_id=request_id)
    body = json.dumps(document.model_dump(exclude_none=True))
    # A cached problem would outlive its cause.
    headers = {"Cache-Control": "no-store", **response.headers}
    return Response(body, response.status, headers, MEDIA_TYPE)
