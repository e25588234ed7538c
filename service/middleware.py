"""What every request meets first and every answer last: an id, a limit, safe headers. Pure ASGI, so that streams
keep their back-pressure."""

import asyncio
import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bakehouse.runs.artifacts import WEIGHTS
from service.errors import REQUEST_ID, BodyTooLarge, BodyTooSlow, CrossSiteRequest, ServiceError, answer_to, render

SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
BODY_SECONDS = 30
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class RequestGuard:
    """Wraps the whole application, its last resort for errors included."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope[REQUEST_ID] = request_id(Headers(scope=scope).get("x-request-id", ""))
        mark = marked(scope, send)
        if error := refusal(scope, self._max_body_bytes):
            return await render(scope, answer_to(error))(scope, receive, mark)
        return await self._app(as_get(scope), limited(receive, self._max_body_bytes), mark)


def as_get(scope: Scope) -> Scope:
    """HEAD is GET whose body the server leaves out; files have a HEAD of their own, and streams none."""
    if scope["method"] != "HEAD" or scope["path"].endswith((WEIGHTS, "/events")):
        return scope
    return {**scope, "method": "GET"}


def refusal(scope: Scope, max_body_bytes: int) -> ServiceError | None:
    """What is wrong before anything is read."""
    # Where nobody has to show a key, any page that the user has open could otherwise cancel her runs.
    if scope["method"] not in SAFE_METHODS and Headers(scope=scope).get("sec-fetch-site") in (
        "cross-site",
        "same-site",
    ):
        return CrossSiteRequest()
    return BodyTooLarge(max_body_bytes) if declared_bytes(scope) > max_body_bytes else None


def request_id(given: str) -> str:
    """The caller's, if it is harmless, else a new one."""
    return given if SAFE_ID.fullmatch(given) else secrets.token_hex(8)


def declared_bytes(scope: Scope) -> int:
    """What Content-Length says; the server has checked that it is a number."""
    return int(Headers(scope=scope).get("content-length", "0"))


def marked(scope: Scope, send: Send) -> Send:
    """Adds the id and the safe headers where the answer has none of its own."""

    async def send_marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = scope[REQUEST_ID]
            for name, value in SAFE.items():
                headers.setdefault(name, value)
        await send(message)

    return send_marked


def limited(receive: Receive, limit: int) -> Receive:
    """Counts what comes, also where no length was declared, and does not wait for it for ever."""
    seen = 0
    deadline: float | None = asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive_limited() -> Message:
        nonlocal seen, deadline
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise BodyTooSlow(BODY_SECONDS) from error
        seen += len(message.get("body", b""))
        if seen > limit:
            raise BodyTooLarge(limit)
        if not message.get("more_body", False):
            deadline = None
        return message

    return receive_limited
