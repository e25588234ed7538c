"""The middleware around the whole application: request ids, body limits and security headers.

It is pure ASGI because starlette's BaseHTTPMiddleware buffers, and streams must keep their back-pressure.
"""

import asyncio
import re
import secrets
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bakehouse.runs.artifacts import WEIGHTS
from bakehouse.settings import Settings
from bakehouse.version import VERSION, VERSION_HEADER
from service.access import Access
from service.error_responses import PREFIX, REQUEST_ID, error_response, render
from service.errors import BodyTooLarge, RequestTimeout, ServiceError, TooManyStreams
from service.hosts import Hosts
from service.stream_slots import StreamSlots

SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SAFE_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){1,8}/?")
MAX_BODY_SECONDS = 30
# A large upload over a slow network takes long, but no part of it may take longer than this.
MIN_UPLOAD_BYTES_PER_SECOND = 1024
PART_PATH = re.compile(r"/v1/datasets/[^/]+/parts/[^/]+")
PREDICT_PATH = re.compile(r"/v1/runs/[^/]+/checkpoints/[^/]+/predict")
FORM_BYTES = 1 << 16
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# Of a header that is repeated, the last value.
HeaderValues = dict[bytes, bytes]


@dataclass(frozen=True)
class BodyLimit:
    """How large a body may be, and how fast it must arrive."""

    bytes: int
    setting: str
    may_be_slow: bool = False
    """Whether it may take longer than `MAX_BODY_SECONDS` if it arrives at `MIN_UPLOAD_BYTES_PER_SECOND`."""

    @property
    def error(self) -> BodyTooLarge:
        """The error for a larger body."""
        return BodyTooLarge(self.bytes, self.setting)


def body_limit(scope: Scope, headers: HeaderValues, settings: Settings) -> BodyLimit:
    """Returns the limit on the body of a request; uploads of data sets may be large."""
    if scope["method"] == "PUT" and PART_PATH.fullmatch(scope["path"]):
        return BodyLimit(settings.upload_part_bytes, "BAKEHOUSE_UPLOAD_PART_BYTES", may_be_slow=True)
    if scope["method"] == "POST" and PREDICT_PATH.fullmatch(scope["path"]):
        return BodyLimit(settings.max_prediction_bytes, "BAKEHOUSE_MAX_PREDICTION_BYTES")
    # Of several headers, the application reads the first, and holds a JSON body in memory.
    is_json = any(media_type(each) == "application/json" for each in values(scope, b"content-type"))
    if scope["method"] == "POST" and scope["path"] == "/v1/datasets" and not is_json:
        # A form has some bytes more than its file.
        limit = settings.max_dataset_bytes + FORM_BYTES
        return BodyLimit(limit, "BAKEHOUSE_MAX_DATASET_BYTES", may_be_slow=True)
    return BodyLimit(settings.max_body_bytes, "BAKEHOUSE_MAX_BODY_BYTES")


class RequestGuard:
    """Checks each request before the application sees it, and adds headers to each response, including errors."""

    def __init__(self, app: ASGIApp, settings: Settings, access: Access) -> None:
        self._app = app
        self._access = access
        self._settings = settings
        self._hosts = Hosts(settings)
        self._slots = StreamSlots(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        # The id is set first, because the refusals below report it too.
        scope[REQUEST_ID] = request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
        scope[PREFIX] = path_prefix(headers.get(b"x-forwarded-prefix", b"").decode("latin-1"))
        send = with_headers(scope, send)
        limit = body_limit(scope, headers, self._settings)
        if error := self._find_error(scope, headers, limit):
            return await render(scope, error_response(error))(scope, receive, send)
        receive = with_body_limit(receive, limit)
        try:
            if not is_stream(scope, headers):
                return await self._app(head_as_get(scope), receive, send)
            with self._slots.hold(scope["client"][0]):
                await self._app(scope, receive, send)
        except TooManyStreams as error:
            await render(scope, error_response(error))(scope, receive, send)
        finally:
            self._access.forget(scope)

    def _find_error(self, scope: Scope, headers: HeaderValues, limit: BodyLimit) -> ServiceError | None:
        """Returns the error that the headers alone reveal, or None."""
        hosts = values(scope, b"host")
        if error := self._hosts.find_host_error(hosts, scope["http_version"]):
            return error
        if scope["method"] not in SAFE_METHODS:
            origins = values(scope, b"origin")
            if error := self._hosts.find_origin_error(hosts, origins, headers.get(b"sec-fetch-site", b"")):
                return error
        # The server has checked that this is a number.
        is_too_large = int(headers.get(b"content-length", b"0")) > limit.bytes
        return limit.error if is_too_large else None


def values(scope: Scope, name: bytes) -> list[str]:
    """Returns all values of a header."""
    return [value.decode("latin-1") for each, value in scope["headers"] if each == name]


def is_stream(scope: Scope, headers: HeaderValues) -> bool:
    """Returns whether the request may hold its connection for long: an event stream or a long poll."""
    if scope["method"] != "GET":
        return False
    if not scope["path"].endswith("/events"):
        return b"wait" in headers.get(b"prefer", b"").lower()
    accepts_stream = b"text/event-stream" in headers.get(b"accept", b"").lower()
    return accepts_stream or scope["path"] == "/v1/events" or b"wait=" in scope["query_string"]


def head_as_get(scope: Scope) -> Scope:
    """Turns HEAD into GET; the server drops the body. Excludes weights, which have a HEAD route, and event streams."""
    if scope["method"] != "HEAD" or scope["path"].endswith((WEIGHTS, "/events")):
        return scope
    return {**scope, "method": "GET"}


def request_id(proposed: str) -> str:
    """Returns the client's request id if it is harmless in logs and headers, else a new id."""
    return proposed if SAFE_REQUEST_ID.fullmatch(proposed) else secrets.token_hex(8)


def path_prefix(proposed: str) -> str:
    """Returns the prefix that a proxy has removed from the path, if it is harmless in a problem document, else none."""
    return proposed.rstrip("/") if SAFE_PREFIX.fullmatch(proposed) else ""


def with_headers(scope: Scope, send: Send) -> Send:
    """Adds the request id and the service's version to a response, and security headers that it does not set itself."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = scope[REQUEST_ID]
            headers[VERSION_HEADER] = VERSION
            for name, value in SECURITY_HEADERS.items():
                # routes/docs.py sets a wider policy of its own, which stays.
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers


def with_body_limit(receive: Receive, limit: BodyLimit) -> Receive:
    """Limits the size of the body, even without a Content-Length, and the time until it is complete."""
    now = asyncio.get_running_loop().time
    received_bytes = 0
    began_at = now()
    deadline: float | None = began_at + MAX_BODY_SECONDS

    async def receive_within_limit() -> Message:
        nonlocal received_bytes, deadline
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise RequestTimeout(f"The body did not arrive within {MAX_BODY_SECONDS} s.") from error
        received_bytes += len(message.get("body", b""))
        if received_bytes > limit.bytes:
            raise limit.error
        # After the body, `receive` only waits for the client to disconnect, which may take as long as it likes.
        if not message.get("more_body", False):
            deadline = None
        elif limit.may_be_slow:
            earned = began_at + received_bytes / MIN_UPLOAD_BYTES_PER_SECOND
            deadline = MAX_BODY_SECONDS + min(now(), earned)
        return message

    return receive_within_limit


def media_type(header: str) -> str:
    """Returns the media type in a Content-Type without its parameters."""
    return header.partition(";")[0].strip().lower()
