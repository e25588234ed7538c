"""What routes ask for, as annotated aliases."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, get_origin

from fastapi import Depends, Header, Path, Query, Request
from fastapi.dependencies.models import Dependant

from bakehouse.data.catalog import Catalog
from bakehouse.recipe.read import MAX_PROBLEMS, parse_json
from bakehouse.runs.artifacts import RUN_ID, Artifacts
from bakehouse.runs.errors import RunNotFound
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.record import Idempotency
from bakehouse.runs.store import Store
from bakehouse.settings import Settings
from service.errors import SHOWN_CHARACTERS, EncodedBody, ErrorDetail, InvalidRequest, WrongContentType
from service.hub import Hub

JSON_TYPES = ("application/json", "application/merge-patch+json")


@dataclass(frozen=True)
class Services:
    """What the service works with; made once a process."""

    settings: Settings
    store: Store
    artifacts: Artifacts
    catalog: Catalog
    wake_queue: WakeQueue
    hub: Hub


async def find_parts(request: Request) -> Services:
    """Those of this process."""
    parts: Services = request.app.state.parts
    return parts


async def known_run_id(run_id: Annotated[str, Path(description="`run_` and 12 characters.")]) -> str:
    """Refuses at once what no run is ever called."""
    if not RUN_ID.fullmatch(run_id):
        raise RunNotFound(run_id[:20])
    return run_id


async def posted_json(request: Request) -> Any:
    """The body as one JSON document with one meaning."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in JSON_TYPES:
        raise WrongContentType(JSON_TYPES[0])
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise EncodedBody
    return parse_json(await request.body())


async def idempotency_of(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Chosen by the client: the same key and body (whatever its spaces and order) within 24 h "
            "give the run that the first one made, as it is now, with `Idempotency-Replayed: true`.",
            min_length=1,
            max_length=255,
        ),
    ] = None,
) -> Idempotency | None:
    """The key with a digest of what was asked for, whatever its spaces and order."""
    if key is None:
        return None
    body = await request.body()
    meaning = json.dumps(parse_json(body), sort_keys=True) if body else ""
    asked = f"{request.url.path}\n{meaning}"
    return Idempotency(key, hashlib.sha256(asked.encode()).hexdigest())


async def refuse_unknown_parameters(request: Request) -> None:
    """A misspelt filter would silently show everything, and of one that stands twice the first would be dropped."""
    takes_many = dict(parameters(request.scope["route"].dependant))
    given = Counter(name for name, _ in request.query_params.multi_items())
    flaws = [unknown_parameter(name, tuple(takes_many)) for name in given if name not in takes_many]
    flaws += [
        ErrorDetail(parameter=name, code="repeated_parameter", message="may stand here once only")
        for name, count in given.items()
        if count > 1 and not takes_many.get(name, True)
    ]
    if flaws:
        raise InvalidRequest(*flaws[:MAX_PROBLEMS])


def parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """The query parameters of a route and of what it depends on, and whether each may stand there several times."""
    for field in dependant.query_params:
        yield field.alias, get_origin(field.field_info.annotation) is list
    for inner in dependant.dependencies:
        yield from parameters(inner)


def unknown_parameter(name: str, allowed: tuple[str, ...]) -> ErrorDetail:
    """With the nearest right name."""
    shown = name[:SHOWN_CHARACTERS]
    near = get_close_matches(shown, allowed, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    message = f"there is no such parameter here{hint}"
    return ErrorDetail(parameter=shown, code="unknown_parameter", message=message, allowed=allowed)


def parse_labels(given: list[str]) -> dict[str, str]:
    """From `key:value` each."""
    pairs = [label.partition(":") for label in set(given)]
    if not all(key and colon for key, colon, _ in pairs):
        raise InvalidRequest(ErrorDetail(parameter="label", code="format", message="should be key:value"))
    labels = {key: value for key, _, value in pairs}
    if len(labels) < len(pairs):
        raise InvalidRequest(
            ErrorDetail(parameter="label", code="conflict", message="no run has two values of one label")
        )
    return labels


CHANGE_ID = r"^[0-9]{1,18}(-[0-9]{1,18})?$"

ServicesDep = Annotated[Services, Depends(find_parts)]
RunId = Annotated[str, Depends(known_run_id)]
PostedJson = Annotated[Any, Depends(posted_json)]
IdempotencyKey = Annotated[Idempotency | None, Depends(idempotency_of)]
Labels = Annotated[list[str], Query(alias="label", description="`key:value`; several must all be there.")]
IfNoneMatch = Annotated[str | None, Header(description="ETags that the client has.")]
Prefer = Annotated[str | None, Header(description="`wait=N`: hold the answer up to N (at most 60) seconds.")]
Accept = Annotated[str, Header(include_in_schema=False)]
