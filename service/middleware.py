"""The middleware around the whole application: request ids, body limits and security headers.

It is pure ASGI because starlette's BaseHTTPMiddleware buffers, and streams must keep their back-pressure.
"""

import asyncio
import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bakehouse.runs.artifacts import WEIGHTS
from service.errors import (
    REQUEST_ID,
    BodyTooLarge,
    CrossSiteRequest,
    RequestTimeout,
    ServiceError,
    error_response,
    render,
)

SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
MAX_BODY_SECONDS = 30
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# `same-site` is listed because another port or subdomain need not be trusted.
OTHER_SITES = ("cross-site", "same-site")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class RequestGuard:
    """Checks each request before the application sees it, and adds headers to each response, including errors."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        # The id is set first, because the refusals below report it too.
        scope[REQUEST_ID] = request_id(Headers(scope=scope).get("x-request-id", ""))
        send = with_headers(scope, send)
        if error := find_error(scope, self._max_body_bytes):
            return await render(scope, error_response(error))(scope, receive, send)
        return await self._app(head_as_get(scope), with_body_limit(receive, self._max_body_bytes), send)


def head_as_get(scope: Scope) -> Scope:
    """Turns HEAD into GET; the server drops the body. Excludes weights, which have a HEAD route, and event streams."""
    if scope["method"] != "HEAD" or scope["path"].endswith((WEIGHTS, "/events")):
        return scope
    return {**scope, "method": "GET"}


def find_error(scope: Scope, max_body_bytes: int) -> ServiceError | None:
    """Returns the error that the headers alone reveal, or None."""
    # The service has no access control: without this check, any web page that users open could cancel their runs.
    if scope["method"] not in SAFE_METHODS and Headers(scope=scope).get("sec-fetch-site") in OTHER_SITES:
        return CrossSiteRequest()
    return BodyTooLarge(max_body_bytes) if declared_bytes(scope) > max_body_bytes else None


def request_id(proposed: str) -> str:
    """Returns the client's request id if it is harmless in logs and headers, else a new id."""
    return proposed if SAFE_REQUEST_ID.fullmatch(proposed) else secrets.token_hex(8)


def declared_bytes(scope: Scope) -> int:
    """Returns the Content-Length, by default 0; the server has checked that it is a number."""
    return int(Headers(scope=scope).get("content-length", "0"))


def with_headers(scope: Scope, send: Send) -> Send:
    """Adds the request id to a response, and security headers that it does not set itself."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = scope[REQUEST_ID]
            for name, value in SECURITY_HEADERS.items():
                # routes/docs.py sets a wider policy of its own, which stays.
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers


def with_body_limit(receive: Receive, max_bytes: int) -> Receive:
    """Limits the size of the body, even without a Content-Length, and the time until it is complete."""
    received_bytes = 0
    deadline: float | None = asyncio.get_running_loop().time() + MAX_BODY_SECONDS

    async def receive_within_limit() -> Message:
        nonlocal received_bytes, deadline
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise RequestTimeout(f"The body did not arrive within {MAX_BODY_SECONDS} s.") from error
        received_bytes += len(message.get("body", b""))
        if received_bytes > max_bytes:
            raise BodyTooLarge(max_bytes)
        # After the body, `receive` only waits for the client to disconnect, which may take as long as it likes.
        if not message.get("more_body", False):
            deadline = None
        return message

    return receive_within_limit
