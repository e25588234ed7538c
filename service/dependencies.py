"""Defines the dependencies of the routes; routes use the annotated aliases at the end of this file."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, TypeVar, get_origin

from fastapi import Depends, Header, Path, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError

from bakehouse.data.catalog import Catalog
from bakehouse.experiments.errors import ExperimentNotFound
from bakehouse.experiments.store import EXPERIMENT_ID, ExperimentStore
from bakehouse.recipe.problems import DuplicateKey, Problem, RecipeInvalid, did_you_mean
from bakehouse.recipe.read import MAX_PROBLEMS, parse_json
from bakehouse.runs.artifacts import RUN_ID, Artifacts
from bakehouse.runs.async_store import AsyncStore
from bakehouse.runs.errors import RunNotFound
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.record import Idempotency
from bakehouse.runs.run import Priority
from bakehouse.runs.store import Store
from bakehouse.settings import Settings
from service.access import Access
from service.digests import Digests
from service.errors import MAX_SHOWN_CHARACTERS, InvalidRequest, UnsupportedContentEncoding, UnsupportedMediaType
from service.folder_check import FolderCheck
from service.hub import Hub
from service.open_checkpoints import OpenCheckpoints
from service.predictions import Predictions
from service.preparation import Preparation
from service.previews import Previews
from service.scopes import needed_scope
from service.tasks import Tasks
from service.uploads import Uploads

JSON_TYPES = ("application/json", "application/merge-patch+json")
# Redis's stream ids are two 64-bit numbers, into which 18 digits always fit.
CHANGE_ID = r"^[0-9]{1,18}(-[0-9]{1,18})?$"
MAX_KEY_CHARACTERS = 255

Value = TypeVar("Value")
KEY: TypeAdapter[str | None] = TypeAdapter(Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARACTERS)] | None)
FLAG: TypeAdapter[bool] = TypeAdapter(bool)
PRIORITY: TypeAdapter[int] = TypeAdapter(Priority)


@dataclass(frozen=True)
class Services:
    """Everything that the routes work with. Made once per process."""

    settings: Settings
    store: Store
    """For calls in threads, and for everything that `async_store` does not do."""
    async_store: AsyncStore
    experiments: ExperimentStore
    artifacts: Artifacts
    folder_check: FolderCheck
    catalog: Catalog
    uploads: Uploads
    preparation: Preparation
    tasks: Tasks
    predictions: Predictions
    previews: Previews
    wake_queue: WakeQueue
    hub: Hub
    digests: Digests
    open_checkpoints: OpenCheckpoints
    access: Access


async def get_services(request: Request) -> Services:
    return services_of(request)


def services_of(request: Request) -> Services:
    """Returns what the routes work with."""
    services: Services = request.app.state.services
    return services


async def require_access(request: Request) -> None:
    """Raises Unauthorized, ScopeMissing or TooManyFailures unless the request may use its route. Every route has this
    dependency; `service/scopes.py` says what each needs."""
    await services_of(request).access.check(request, needed_scope(request))


async def check_run_id(run_id: Annotated[str, Path(description="`run_` and 12 characters.")]) -> str:
    """Returns the id. Raises RunNotFound for an id that no run can have, without asking Redis."""
    return possible_run_id(run_id)


def possible_run_id(run_id: str) -> str:
    """Returns the id. Raises RunNotFound for an id that no run can have, without asking Redis."""
    if not RUN_ID.fullmatch(run_id):
        # The text is the client's and may be long, so the message shows only its beginning.
        raise RunNotFound(run_id[:20])
    return run_id


async def check_experiment_id(experiment_id: Annotated[str, Path(description="`exp_` and 12 characters.")]) -> str:
    """Returns the id. Raises ExperimentNotFound for an id that no experiment can have."""
    if not EXPERIMENT_ID.fullmatch(experiment_id):
        # The text is the client's and may be long, so the message shows only its beginning.
        raise ExperimentNotFound(experiment_id[:20])
    return experiment_id


async def read_json_body(request: Request) -> Any:
    """Parses the body as JSON; refuses duplicate keys and numbers that are not finite."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in JSON_TYPES:
        raise UnsupportedMediaType(JSON_TYPES[0])
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedContentEncoding
    return parse_json(await request.body())


async def read_experiment_body(request: Request) -> Any:
    """Parses the body as JSON; an arm that is named twice is a problem of the document, not of its syntax."""
    try:
        return await read_json_body(request)
    except DuplicateKey as error:
        raise RecipeInvalid([error.problem]) from error


KEY_HEADER = Header(
    alias="Idempotency-Key",
    description="A text that the client chooses. If a request with the same key and the same body (apart from "
    "whitespace and the order of keys) is sent again within 24 h, it creates nothing: the response is what the first "
    "request created, in its present state, with the header `Idempotency-Replayed: true`.",
    min_length=1,
    max_length=MAX_KEY_CHARACTERS,
)
KeyHeader = Annotated[str | None, KEY_HEADER]


async def read_idempotency(request: Request, key: KeyHeader = None) -> Idempotency | None:
    """Returns the key with a digest of path and body, in which whitespace and the order of keys do not matter."""
    if key is None:
        return None
    body = await request.body()
    return idempotency_of(request, key, json.dumps(parse_json(body), sort_keys=True) if body else "")


def idempotency_of(request: Request, key: str, content: str) -> Idempotency:
    """Returns the key with a digest of the path and of what the request says."""
    # With the path, a key that is used again on another route is noticed.
    return Idempotency(key, hashlib.sha256(f"{request.url.path}\n{content}".encode()).hexdigest())


def idempotency_key(request: Request) -> str | None:
    """Returns the header of a plain route, checked as FastAPI checks it for other routes."""
    return checked(KEY, "header", "Idempotency-Key", request.headers.get("idempotency-key"))


def flag(request: Request, name: str) -> bool:
    """Returns a query parameter of a plain route, checked as FastAPI checks it for other routes."""
    return checked(FLAG, "query", name, request.query_params.get(name, False))


def priority_of(request: Request) -> int:
    """Returns the query parameter `priority` of a plain route, checked as FastAPI checks it for other routes."""
    return checked(PRIORITY, "query", "priority", request.query_params.get("priority", 0))


def with_priority(idempotency: Idempotency, priority: int) -> Idempotency:
    """Returns the key with a digest that is another one for another priority; that of priority 0 stays the same."""
    if priority == 0:
        return idempotency
    content = f"{idempotency.body_sha256}\npriority {priority}"
    return Idempotency(idempotency.key, hashlib.sha256(content.encode()).hexdigest())


def checked(kind: TypeAdapter[Value], place: str, name: str, value: object) -> Value:
    """Returns the value of a parameter; raises RequestValidationError if it is not valid."""
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        raise RequestValidationError([{**each, "loc": (place, name)} for each in errors]) from error


async def refuse_unknown_parameters(request: Request) -> None:
    """Raises InvalidRequest for unknown and repeated query parameters.

    Otherwise a misspelt filter would be ignored, so that all runs are listed, and of two values only one would count.
    """
    if not request.scope["query_string"]:
        return
    is_repeatable = dict(parameters(request.scope["route"].dependant))
    counts = Counter(name for name, _ in request.query_params.multi_items())
    unknown = islice((name for name in counts if name not in is_repeatable), MAX_PROBLEMS)
    errors = [unknown_parameter(name, tuple(is_repeatable)) for name in unknown]
    errors += [
        Problem(parameter=name, code="repeated_parameter", message="may be given only once")
        for name, count in counts.items()
        if count > 1 and not is_repeatable.get(name, True)
    ]
    if errors:
        raise InvalidRequest(*errors[:MAX_PROBLEMS])


def parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """Yields each query parameter of a route and its dependencies, and whether it may be repeated."""
    for field in dependant.query_params:
        yield field.alias, get_origin(field.field_info.annotation) is list
    for dependency in dependant.dependencies:
        yield from parameters(dependency)


def unknown_parameter(name: str, allowed: tuple[str, ...]) -> Problem:
    shown = name[:MAX_SHOWN_CHARACTERS]
    message = f"this route has no such parameter{did_you_mean(shown, allowed)}"
    return Problem(parameter=shown, code="unknown_parameter", message=message, allowed=allowed)


def parse_labels(texts: list[str]) -> dict[str, str]:
    """Parses labels of the form `key:value`."""
    # A label that is given twice is harmless, unlike two values of one label.
    pairs = [text.partition(":") for text in set(texts)]
    if not all(key and colon for key, colon, _ in pairs):
        raise InvalidRequest(Problem(parameter="label", code="format", message="should be key:value"))
    labels = {key: value for key, _, value in pairs}
    if len(labels) < len(pairs):
        message = "a run has only one value for each label, so two values of one label match no run"
        raise InvalidRequest(Problem(parameter="label", code="conflict", message=message))
    return labels


ServicesDep = Annotated[Services, Depends(get_services)]
RunId = Annotated[str, Depends(check_run_id)]
ExperimentId = Annotated[str, Depends(check_experiment_id)]
JsonBody = Annotated[Any, Depends(read_json_body)]
ExperimentBody = Annotated[Any, Depends(read_experiment_body)]
IdempotencyKey = Annotated[Idempotency | None, Depends(read_idempotency)]
Labels = Annotated[list[str], Query(alias="label", description="`key:value`; runs must have all of these labels.")]
IfNoneMatch = Annotated[str | None, Header(description="ETags of the versions that the client has already.")]
Prefer = Annotated[
    str | None, Header(description="`wait=N`: wait up to N (at most 60) seconds for a change before responding.")
]
Accept = Annotated[str, Header(include_in_schema=False)]
