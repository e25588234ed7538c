"""Limits the time and the size of a request's headers on each connection.

uvicorn has no setting for these limits (its `h11_max_incomplete_event_size` concerns another parser), so this file
overrides methods of `HttpToolsProtocol` and reads its `cycle`. These internals may change in any minor version, so
pyproject.toml allows only the minor version that the tests ran with. To update uvicorn, change that bound and run
`tests/service/test_app.py`, which opens raw connections for each limit.
"""

import asyncio
import secrets
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import (
    REQUEST_ID,
    HeadersTooLarge,
    MalformedRequest,
    RequestTimeout,
    ServiceError,
    error_response,
    render,
)

MAX_HEADERS_SECONDS = 5.0
MAX_HEADERS_BYTES = 1 << 16
# The name of the ASGI extension through which an event stream writes to its transport.
TRANSPORT = "bakehouse.transport"


class LimitedHttpProtocol(HttpToolsProtocol):
    """Responds with a problem document and closes the connection if headers are too slow, too large or malformed."""

    _headers_timer: asyncio.TimerHandle | None = None
    _headers_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # The timer starts at once, so that a client that sends nothing cannot keep its connection.
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # The parser goes first, so that afterwards the timer tells whether the headers are still incomplete.
        super().data_received(data)
        # The timer runs if and only if headers are incomplete.
        if self._headers_timer is not None:
            self._headers_bytes += len(data)
            if self._headers_bytes > MAX_HEADERS_BYTES:
                self._refuse(HeadersTooLarge(MAX_HEADERS_BYTES))

    def on_message_begin(self) -> None:
        # A connection may carry several requests; each gets the full time for its headers.
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]
        self._start_timer()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedRequest(msg))

    def _start_timer(self) -> None:
        self._stop_timer()
        self._headers_timer = self.loop.call_later(MAX_HEADERS_SECONDS, self._time_out)

    def _stop_timer(self) -> None:
        self._headers_bytes = 0
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None

    def _time_out(self) -> None:
        # The response to an earlier request may still be in progress. Despite its type hint, `cycle` is None before the
        # first request.
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._start_timer()
        else:
            self._refuse(RequestTimeout(f"The request's headers did not arrive within {MAX_HEADERS_SECONDS:.0f} s."))

    def _refuse(self, error: ServiceError) -> None:
        self._stop_timer()
        # uvicorn may have closed the connection already, and then nothing may be written to it.
        if self.transport.is_closing():
            return
        # No request has reached the application, so there is no path, and the id is new.
        response = render({"path": "", REQUEST_ID: secrets.token_hex(8)}, error_response(error))
        lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode(), b"connection: close"]
        lines += [name + b": " + value for name, value in response.raw_headers if name != b"connection"]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()
