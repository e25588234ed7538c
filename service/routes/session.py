"""/v1/session: signs a browser in with an API key, says whose key a request has, and signs out."""

from fastapi import APIRouter, Depends, Request, Response

from bakehouse.access.scope import Scope
from bakehouse.model import Model
from bakehouse.runs.record import rfc3339
from service.access import SESSION_SECONDS, Access, Identity
from service.dependencies import JsonBody, ServicesDep, refuse_unknown_parameters
from service.documents import parse_document
from service.openapi import json_body, returns
from service.routes.runs import json_response

router = APIRouter(prefix="/v1/session", tags=["session"], dependencies=[Depends(refuse_unknown_parameters)])


class SignIn(Model):
    """The body of the request by which a browser signs in."""

    key: str
    """An API key."""


class SessionKey(Model):
    """The API key of a session, without its secret."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    """What the key permits; `admin` permits everything."""
    expires_at: str | None = None
    """When the key expires; null if it does not."""


class Session(Model):
    """Whether the service asks for API keys, and which key this request has."""

    needs_key: bool
    """Whether requests need an API key."""
    key: SessionKey | None = None
    """The key of this request, or of the session of this browser; null if there is none."""


@router.get("", operation_id="get_session", responses=returns("Session", 401, 429, 503))
async def get_session(request: Request, services: ServicesDep) -> Response:
    """Says whether requests need an API key, and what the key of this request permits."""
    access = services.access
    return respond(describe(access, None if access.is_open else await access.identify(request)))


@router.post("", operation_id="sign_in", openapi_extra=json_body("SignIn"),
             responses=returns("Session", 400, 401, 413, 415, 422, 429, 503))  # fmt: skip
async def sign_in(document: JsonBody, request: Request, services: ServicesDep) -> Response:
    """Signs a browser in: sets a cookie that stands for the key for a week, or until the key ends. Scripts cannot read
    the cookie, and it does not contain the key."""
    access = services.access
    given = parse_document(SignIn, document)
    if access.is_open:
        return respond(describe(access, None))
    identity, text = await access.sign_in(request, given.key)
    return respond(describe(access, identity), cookie=access.cookie(request, text, seconds=SESSION_SECONDS))


@router.delete("", operation_id="sign_out", responses=returns("Session", 401, 429, 503))
async def sign_out(request: Request, services: ServicesDep) -> Response:
    """Signs a browser out: its session ends, and the cookie is deleted."""
    access = services.access
    if not access.is_open and (identity := await access.identify(request)) is not None:
        await access.sign_out(identity)
    return respond(describe(access, None), cookie=access.cookie(request, "", seconds=0))


def describe(access: Access, identity: Identity | None) -> Session:
    """Returns what a client may know about its key."""
    if identity is None:
        return Session(needs_key=not access.is_open)
    key = identity.key
    expires_at = None if key.expires_ms is None else rfc3339(key.expires_ms)
    return Session(needs_key=True, key=SessionKey(id=key.id, name=key.name, scopes=key.scopes, expires_at=expires_at))


def respond(session: Session, *, cookie: str | None = None) -> Response:
    headers = {"Cache-Control": "no-store"}
    return json_response(
        session.model_dump_json(), headers=headers if cookie is None else headers | {"Set-Cookie": cookie}
    )
