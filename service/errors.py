"""Every problem that the service answers with (RFC 9457), and the one place where errors become answers.

ServiceError
├── CrossSiteRequest       403
├── BodyTooLarge          413
├── BodyTooSlow           408
├── WrongContentType      415
├── EncodedBody           415
├── PreconditionFailed              412
├── InvalidRequest            422: a parameter, a header or a field of a small body is wrong
├── CheckpointNotFound    404
├── RangeNotSatisfiable   416
├── StoreUnavailable      503
└── NotReady              503
Errors of recipes, runs, data sets, Redis and the framework are answered by their own classes.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisSlow
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
    RecordUnreadable,
    RunNeeded,
    RunNotFound,
    RunsError,
    SourceGone,
    StorageFull,
)

MEDIA_TYPE = "application/problem+json"
REQUEST_ID = "bakehouse.request_id"
RETRY_SECONDS = "1"
# A folder that is not mounted is not back in a second.
REMOUNT_SECONDS = "10"
SHOWN_CHARACTERS = 200
# Its disk is full, or too few replicas are there.
REFUSES_WRITES = ("MISCONF", "NOREPLICAS")
# A reply may be lost after the write.
ASK_AGAIN = "Ask again; with the same Idempotency-Key nothing is done twice."

log = logging.getLogger(__name__)


class ErrorDetail(Model):
    """One thing that is wrong with a request."""

    pointer: str | None = None
    """JSON Pointer into the body, where it is the body's."""
    parameter: str | None = None
    """The query parameter, path parameter or header, where it is not."""
    code: str
    message: str
    allowed: tuple[str, ...] | None = None
    """What would be right, where it can be listed."""


class ProblemDocument(Model):
    """Why a request failed."""

    type: str
    """What went wrong, by a name that programs can compare."""
    title: str
    status: int
    detail: str
    instance: str
    """The path that was asked for."""
    request_id: str
    """As in `X-Request-Id`."""
    errors: tuple[ErrorDetail, ...] | None = None
    """With 422: everything that is wrong."""
    run_status: str | None = None
    """With 409: the state that forbids what was asked."""
    run_request: str | None = None
    """With 409: what that run was asked before."""
    dependants: tuple[str, ...] | None = None
    """With 409: the runs that build on the weights of the one that shall be deleted."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A problem before it knows its request."""

    name: str
    status: int
    detail: str
    flaws: Sequence[ErrorDetail] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


INTERNAL = Answer(name="internal", status=500, detail="This is an error of the service; its log says more.")


class ServiceError(Exception):
    """What only HTTP knows of; its text is a sentence for the user."""


class CrossSiteRequest(ServiceError):
    """A browser says that another site's page wants to change something."""

    def __init__(self) -> None:
        super().__init__("Pages of other sites may not change anything here.")


class BodyTooLarge(ServiceError):
    """More bytes than a request may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body has more than {limit} bytes.")
        self.limit = limit


class BodyTooSlow(ServiceError):
    """A body that does not come to its end."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"The body did not come within {seconds} s.")


class WrongContentType(ServiceError):
    """A body that does not say that it is JSON."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"The body must be sent with Content-Type: {wanted}.")
        self.wanted = wanted


class EncodedBody(ServiceError):
    """A body that is compressed."""

    def __init__(self) -> None:
        super().__init__("The body must be sent without a Content-Encoding.")


class PreconditionFailed(ServiceError):
    """What the client has is not what is here."""

    def __init__(self) -> None:
        super().__init__("The file here has none of the ETags in If-Match.")


class InvalidRequest(ServiceError):
    """Parameters, headers or fields that mean nothing here."""

    def __init__(self, *flaws: ErrorDetail) -> None:
        super().__init__("; ".join(flaw.message for flaw in flaws))
        self.flaws = flaws


class CheckpointNotFound(ServiceError):
    """The run has no such checkpoint, or none any more."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The run {run_id} has no such checkpoint.")
        self.run_id = run_id


class StoreUnavailable(ServiceError):
    """A checkpoint that is listed cannot be opened."""

    def __init__(self, run_id: str, why: OSError) -> None:
        # Not the path: which setting to look at is enough for the operator, and clients learn nothing of the machine.
        super().__init__(
            f"A checkpoint of the run {run_id} is listed, but its file cannot be opened ({why.strerror}) in "
            "BAKEHOUSE_HOME of the service. Is that the folder that the workers write to?"
        )
        self.run_id = run_id


class RangeNotSatisfiable(ServiceError):
    """The file ends before the range begins."""

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes.")
        self.size = size


class NotReady(ServiceError):
    """Something that the service needs is away."""


HANDLED: tuple[type[Exception], ...] = (
    HTTPException, RequestValidationError, ServiceError, MalformedJson, RecipeInvalid, RunsError, DatasetNotFound,
    DatasetNotReady, RedisAway, RedisSlow, ResponseError, ClientDisconnect, Exception,
)  # fmt: skip


async def answer_error(request: Request, error: Exception) -> Response:
    """The one handler of every class in HANDLED."""
    answer = answer_to(error)
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
        answer = replace(answer, headers={"Allow": ", ".join(methods_here(request))})
    return render(request.scope, answer)


def methods_here(request: Request) -> Iterator[str]:
    """Those of all routes of this path; the framework names those of the first."""
    for method in ("DELETE", "GET", "HEAD", "PATCH", "POST"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            yield method


def answer_to(error: Exception) -> Answer:
    """Which problem an error is."""
    match error:
        case HTTPException():
            return of_framework(error)
        case RequestValidationError():
            flaws = [parameter_flaw(detail) for detail in error.errors()]
            return Answer(name="invalid_request", status=422, detail="The request is not valid.", flaws=flaws)
        case ServiceError():
            return of_service(error)
        case MalformedJson():
            return Answer(name="malformed_json", status=400, detail=str(error))
        case RecipeInvalid(problems=problems):
            flaws = [body_flaw(problem) for problem in problems]
            return Answer(name="invalid_recipe", status=422, detail="The recipe cannot be trained.", flaws=flaws)
        case RunsError():
            return of_record(error)
        case DatasetNotFound():
            return Answer(name="dataset_not_found", status=404, detail="There is no data set of that name.")
        case DatasetNotReady():
            headers = {"Retry-After": str(error.retry_after)}
            return Answer(name="dataset_not_ready", status=409, detail=str(error), headers=headers)
        case RedisAway() | RedisSlow():
            return unavailable("redis_away", f"Redis does not answer. {ASK_AGAIN}")
        case ResponseError():
            return of_redis(error)
        case ClientDisconnect():
            return Answer(name="gone", status=400, detail="The body did not come to its end.")
        case _:
            return INTERNAL


def of_record(error: RunsError) -> Answer:
    """What the record of runs refuses."""
    match error:
        case IllegalTransition():
            extra = {"run_status": error.status, "run_request": error.request}
            return Answer(name="illegal_transition", status=409, detail=str(error), extra=extra)
        case RunNeeded():
            return Answer(name="run_needed", status=409, detail=str(error), extra={"dependants": error.dependants})
        case SourceGone():
            return Answer(name="source_gone", status=409, detail=str(error))
        case RecordUnreadable():
            return Answer(name="run_unreadable", status=409, detail=str(error))
        case RunNotFound():
            return Answer(name="run_not_found", status=404, detail=str(error))
        case CursorNotFound():  # a page beside a run that is not there
            flaw = ErrorDetail(
                parameter=error.parameter, code="unknown_cursor", message="there is no such run to count from"
            )
            return Answer(name="invalid_request", status=422, detail="The request is not valid.", flaws=[flaw])
        case IdempotencyMismatch():
            return Answer(name="idempotency_mismatch", status=422, detail="The Idempotency-Key came with another body.")
        case StorageFull():
            return unavailable("storage_full", "There is no room on the disk.")
        case FolderNotShared():
            log.error("%s", error)
            message = "BAKEHOUSE_HOME of the service is not the folder that holds the files of its runs."
            return unavailable("store_unavailable", message, seconds=REMOUNT_SECONDS)
        case _:
            return INTERNAL


def of_service(error: ServiceError) -> Answer:
    """The problems of this file's own errors."""
    match error:
        case CrossSiteRequest():
            return Answer(name="from_another_page", status=403, detail=str(error))
        case BodyTooLarge():
            return Answer(name="body_too_large", status=413, detail=str(error))
        case WrongContentType():
            return Answer(name="wrong_content_type", status=415, detail=str(error))
        case BodyTooSlow():
            headers = {"Connection": "close"}
            return Answer(name="slow", status=408, detail=str(error), headers=headers)
        case EncodedBody():
            headers = {"Accept-Encoding": "identity"}
            return Answer(name="encoded_body", status=415, detail=str(error), headers=headers)
        case PreconditionFailed():
            return Answer(name="outdated", status=412, detail=str(error))
        case InvalidRequest(flaws=flaws):
            return Answer(name="invalid_request", status=422, detail="The request is not valid.", flaws=flaws)
        case CheckpointNotFound():
            return Answer(name="checkpoint_not_found", status=404, detail=str(error))
        case RangeNotSatisfiable(size=size):
            headers = {"Content-Range": f"bytes */{size}"}
            return Answer(name="range_not_satisfiable", status=416, detail=str(error), headers=headers)
        case StoreUnavailable():
            return unavailable("store_unavailable", str(error), seconds=REMOUNT_SECONDS)
        case _:
            return unavailable("not_ready", str(error))


def of_redis(error: ResponseError) -> Answer:
    """What Redis refuses: for a while, or because of an error of ours, which nobody else logs."""
    if isinstance(error, OutOfMemoryError):
        return unavailable("redis_full", "Redis has no memory left; nothing was accepted.")
    if isinstance(error, ReadOnlyError) or str(error).startswith(REFUSES_WRITES):
        log.warning("Redis takes no writes: %s", error)
        return unavailable("redis_read_only", "Redis takes no writes now; nothing was accepted.")
    log.error("Redis refused a command", exc_info=error)
    return INTERNAL


def of_framework(error: HTTPException) -> Answer:
    """The framework's own errors: no such path, no such method."""
    status = HTTPStatus(error.status_code)
    return Answer(
        name=status.name.lower(), status=status, detail=f"{status.phrase}.", headers=dict(error.headers or {})
    )


def unavailable(name: str, detail: str, *, seconds: str = RETRY_SECONDS) -> Answer:
    """Worth asking again soon."""
    return Answer(name=name, status=503, detail=detail, headers={"Retry-After": seconds})


def parameter_flaw(error: Any) -> ErrorDetail:
    """The framework's complaint of a parameter or header, without what was sent."""
    return ErrorDetail(parameter=str(error["loc"][-1])[:SHOWN_CHARACTERS], code=error["type"], message=error["msg"])


def field_flaw(error: ErrorDetails) -> ErrorDetail:
    """pydantic's complaint of a field of a small body, without what was sent."""
    where = [step for step in error["loc"] if step != "[key]"]  # pydantic's name for a key itself
    return ErrorDetail(pointer=pointer(where)[:SHOWN_CHARACTERS], code=error["type"], message=error["msg"])


def body_flaw(problem: Problem) -> ErrorDetail:
    """A recipe's problem."""
    return ErrorDetail(pointer=problem.pointer, code=problem.code, message=problem.message, allowed=problem.allowed)


def render(scope: Scope, answer: Answer) -> Response:
    """The answer as problem+json, in ASCII: nothing that was sent can break it."""
    document = ProblemDocument(
        type=f"urn:bakehouse:problem:{answer.name}",
        title=HTTPStatus(answer.status).phrase,
        status=answer.status,
        detail=answer.detail,
        instance=quote(scope["path"])[:SHOWN_CHARACTERS],
        request_id=scope.get(REQUEST_ID, ""),
        errors=tuple(answer.flaws) or None,
        **answer.extra,
    )
    body = json.dumps(document.model_dump(exclude_none=True))
    headers = {"Cache-Control": "no-store", **answer.headers}
    return Response(body, answer.status, headers, MEDIA_TYPE)
