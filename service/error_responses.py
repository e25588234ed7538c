"""Turns every error into a response with a problem document (RFC 9457).

The errors of `service/errors.py` and `service/task_errors.py` carry their response. Errors of recipes, runs, data sets,
Redis and the framework are classes of those packages; `error_response` knows them. `service/problem_types.py` lists all
types with their statuses; `/problems/NAME` shows them.
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
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from bakehouse.access.api_key import hide_secrets
from bakehouse.data.errors import DatasetNotFound, DatasetNotReady
from bakehouse.experiments.errors import (
    EnsembleNotFound,
    ExperimentNotFound,
    ExperimentUnreadable,
    IllegalAction,
    NoEnsemble,
    RunInExperiment,
)
from bakehouse.model import Model
from bakehouse.recipe.problems import MalformedJson, Problem, RecipeInvalid, pointer
from bakehouse.recipe.read import plain
from bakehouse.runs.errors import (
    CursorNotFound,
    DatasetDeleted,
    ExperimentChanged,
    FolderNotShared,
    IdempotencyMismatch,
    IllegalTransition,
    LogDamaged,
    MarkerDamaged,
    RecordUnreadable,
    RunHasDependants,
    RunNotFound,
    RunReplaced,
    RunsError,
    SourceRunDeleted,
    StorageFull,
    StorageUnavailable,
    storage_error,
)
from bakehouse.runs.patience import is_refusal
from bakehouse.store.errors import StoreAway
from bakehouse.studies import StudyNotFound
from bakehouse.uploads.errors import (
    DatasetNeeded,
    DatasetTooLarge,
    NotUploading,
    PartRefused,
    UploadError,
    UploadIncomplete,
    UploadNotFound,
    UploadsFull,
    WrongDigest,
)
from service.addresses import describe_method, describe_missing
from service.errors import (
    MAX_SHOWN_CHARACTERS,
    REMOUNT_SECONDS,
    RETRY_SECONDS,
    IncompleteBody,
    InvalidRequest,
    ServiceError,
)
from service.problem_types import PATH, PROBLEM_TYPES

MEDIA_TYPE = "application/problem+json"
REQUEST_ID = "bakehouse.request_id"
PREFIX = "bakehouse.prefix"
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
    runs: tuple[str, ...] | None = None
    """With `dataset_needed`: the runs that need the data set that should be deleted."""


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


HANDLED_ERRORS: tuple[type[Exception], ...] = (
    HTTPException, RequestValidationError, ServiceError, MalformedJson, RecipeInvalid, RunsError, UploadError,
    DatasetNotFound, StudyNotFound, DatasetNotReady, StoreAway, RedisConnectionError, RedisTimeoutError, ResponseError,
    ClientDisconnect, Exception,
)  # fmt: skip


async def respond_to_error(request: Request, error: Exception) -> Response:
    """Returns the response to an error of any class in HANDLED_ERRORS."""
    response = error_response(error)
    if isinstance(error, HTTPException):
        response = with_what_exists(response, request)
    return render(request.scope, response)


def with_what_exists(response: ErrorResponse, request: Request) -> ErrorResponse:
    """Adds to a response of the framework what the client may have meant by the path, or which methods it has."""
    path = request.scope["path"][:MAX_SHOWN_CHARACTERS]
    allowed = tuple(allowed_methods(request))
    if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = describe_method(request.method[:MAX_SHOWN_CHARACTERS], path, allowed)
        # RFC 9110, section 15.5.6, requires the header Allow with this status.
        return replace(response, detail=detail, headers={"Allow": ", ".join(allowed)})
    if response.status == HTTPStatus.NOT_FOUND and not allowed:
        prefix = request.scope.get(PREFIX, "")
        return replace(response, detail=describe_missing(path, request.app.state.paths, prefix=prefix))
    return response


def allowed_methods(request: Request) -> Iterator[str]:
    """Yields the methods of all routes with this path; the framework lists only the methods of the first such route."""
    for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"):
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
        case StoreAway():
            return runs_error_response(storage_error(error))
        case UploadError():
            return upload_error_response(error)
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
        case RunReplaced():
            return ErrorResponse(name="run_replaced", detail=str(error))
        case RunInExperiment():
            return ErrorResponse(name="run_in_experiment", detail=str(error))
        case ExperimentNotFound():
            return ErrorResponse(name="experiment_not_found", detail=str(error))
        case ExperimentUnreadable():
            return ErrorResponse(name="experiment_unreadable", detail=str(error))
        case IllegalAction():
            return ErrorResponse(name="illegal_action", detail=str(error))
        case NoEnsemble():
            return ErrorResponse(name="no_ensemble", detail=str(error))
        case EnsembleNotFound():
            return ErrorResponse(name="ensemble_not_found", detail=str(error))
        case ExperimentChanged():
            return ErrorResponse(name="experiment_changed", detail=str(error))
        case DatasetDeleted():
            return ErrorResponse(name="dataset_deleted", detail=str(error))
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


def upload_error_response(error: UploadError) -> ErrorResponse:
    """Returns the problem for an error of an uploaded data set."""
    detail = str(error)
    match error:
        case UploadNotFound():
            return ErrorResponse(name="dataset_not_found", detail=detail)
        case NotUploading():
            return ErrorResponse(name="dataset_complete", detail=detail)
        case WrongDigest():
            return ErrorResponse(name="wrong_digest", detail=detail)
        case PartRefused():
            return ErrorResponse(name="part_refused", detail=detail)
        case UploadIncomplete():
            return ErrorResponse(name="upload_incomplete", detail=detail)
        case DatasetTooLarge():
            return ErrorResponse(name="dataset_too_large", detail=detail)
        case UploadsFull():
            return ErrorResponse(name="uploads_full", detail=detail)
        case DatasetNeeded():
            return ErrorResponse(name="dataset_needed", detail=detail, extra={"runs": error.runs})
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
    return Problem(parameter=name, code=error["type"], message=plain(error))


def field_error(error: ErrorDetails) -> Problem:
    """Describes an error that pydantic found in a field of a body other than a recipe."""
    path = [step for step in error["loc"] if step != "[key]"]  # pydantic adds this if the key itself is wrong
    return Problem(pointer=pointer(path)[:MAX_SHOWN_CHARACTERS], code=error["type"], message=plain(error))


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
    document = problem_document(response, path=hide_secrets(scope["path"]), prefix=prefix, request_id=request_id)
    body = json.dumps(document.model_dump(exclude_none=True))
    # A cached problem would outlive its cause.
    headers = {"Cache-Control": "no-store", **response.headers}
    return Response(body, response.status, headers, MEDIA_TYPE)
