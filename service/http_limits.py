"""Limits the time and the size of what each connection receives and sends.

uvicorn has no setting for these limits (its `h11_max_incomplete_event_size` concerns another parser), so this file
overrides methods of `HttpToolsProtocol` and reads its `cycle`. These internals may change in any minor version, so
pyproject.toml allows only the minor version that the tests ran with. To update uvicorn, change that bound and run
`tests/service/test_http_limits.py`, which opens raw connections for each limit.
"""

import asyncio
import os
import secrets
from functools import partial
from http import HTTPStatus
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, parse_url
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from bakehouse.version import VERSION, VERSION_HEADER
from service.connections import Connections
from service.error_responses import REQUEST_ID, error_response, render
from service.errors import HeadersTooLarge, MalformedRequest, RequestTimeout, ServiceError, TooManyConnections

MAX_HEADERS_SECONDS = 5.0
MAX_HEADERS_BYTES = 1 << 16
# The name of the ASGI extension through which an event stream writes to its transport.
TRANSPORT = "bakehouse.transport"
# After a refusal, the rest of what the client sends is dropped for this time.
LINGER_SECONDS = 1.0
# A client that does not read a part of a response for this time is disconnected.
MAX_SEND_SECONDS = 30.0
# Responses are sent in parts of this size, so a client that does not read holds at most one part of them.
PART_BYTES = 1 << 15
# Input is parsed in pieces of this size, so that limits are checked before much of it is parsed.
PIECE_BYTES = 1 << 14
# The kernel copies this much of a file at a time; other requests wait for less than a millisecond meanwhile.
FILE_PART_BYTES = 1 << 19
# While the socket's buffer is full, a part of this size waits for it.
FILE_WAIT_BYTES = 1 << 14
ZERO_COPY_SEND = "http.response.zerocopysend"
END_OF_HEADERS = b"\r\n\r\n"


class InputFlow(FlowControl):
    """Does not read on while the connection holds input that is not parsed yet."""

    is_held = False

    def resume_reading(self) -> None:
        if not self.is_held:
            super().resume_reading()


class LimitedHttpProtocol(HttpToolsProtocol):
    """Responds with a problem document and closes the connection if headers are too slow, too large or malformed;
    closes it if the client does not read the response."""

    flow: InputFlow
    _headers_timer: asyncio.TimerHandle | None = None
    _send_timer: asyncio.TimerHandle | None = None
    # Bytes of incomplete headers that have arrived, and bytes of the headers that have been parsed.
    _received_bytes = 0
    _headers_bytes = 0
    # Bytes of the body that the application is sending.
    _body_bytes = 0
    _is_refused = False
    # Whether the response in progress began before its request's body was complete.
    _is_last = False
    _running: RequestResponseCycle | None = None
    _input = b""
    _parsed_bytes = 0

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all = connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # The timer starts at once, so that a client that sends nothing cannot keep its connection.
        super().connection_made(transport)
        self.flow = InputFlow(transport)
        # With this limit, writing is paused whenever the socket has not taken everything.
        transport.set_write_buffer_limits(high=0)
        self._all.add(self)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_send_timer()
        self._all.remove(self)
        super().connection_lost(exc)
        # uvicorn notifies the last request only, but an earlier one may still be sending its response.
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()

    def abort(self) -> None:
        self.transport.abort()

    # Receiving

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._input = self._input[self._parsed_bytes :] + data
        self._parsed_bytes = 0
        self._parse_input()

    def _parse_input(self) -> None:
        """Parses the input until a request must wait for the response to an earlier one, because thousands of requests
        may arrive at once."""
        if self._input:
            self._unset_keepalive_if_required()
        while self._parsed_bytes < len(self._input) and not self.pipeline and not self._is_ended():
            piece = self._next_piece()
            self._parsed_bytes += len(piece)
            self._parse(piece)
        if self._parsed_bytes == len(self._input):
            self._input = b""
            self._parsed_bytes = 0
        self.flow.is_held = bool(self._input)
        if self.flow.is_held:
            self.flow.pause_reading()
        self._note_waiting()

    def _next_piece(self) -> bytes:
        """Returns the next piece of the input, which contains the end of at most one request's headers."""
        start, limit = self._parsed_bytes, self._parsed_bytes + PIECE_BYTES
        found = self._input.find(END_OF_HEADERS, start, limit)
        return self._input[start : limit if found < 0 else found + len(END_OF_HEADERS)]

    def _parse(self, piece: bytes) -> None:
        # The timer runs if and only if headers are incomplete.
        began_before = self._headers_timer is not None
        try:
            self.parser.feed_data(piece)
        except HttpParserError as error:
            # An error that a callback below has raised is the context of the parser's own error.
            cause = error.__context__
            self._refuse(
                cause if isinstance(cause, ServiceError) else MalformedRequest("Invalid HTTP request received.")
            )
        except HttpParserUpgrade:
            return  # the request was parsed, and is answered as if it did not ask for an upgrade
        if began_before and self._headers_timer is not None:
            self._received_bytes += len(piece)
            if self._received_bytes > MAX_HEADERS_BYTES:
                self._refuse(HeadersTooLarge(MAX_HEADERS_BYTES))

    def on_message_begin(self) -> None:
        # A connection may carry several requests; each gets the full time for its headers.
        super().on_message_begin()
        self.scope["extensions"] = {ZERO_COPY_SEND: {}, TRANSPORT: self.transport}  # type: ignore[dict-item]
        self._headers_bytes = 0
        self._start_timer()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_headers(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_headers(len(name) + len(value) + len(": \r\n"))
        # Fields after the body (trailers) must not be taken for the request's headers.
        if self._headers_timer is not None:
            super().on_header(name, value)

    def _count_headers(self, count: int) -> None:
        self._headers_bytes += count
        if self._headers_bytes > MAX_HEADERS_BYTES:
            raise HeadersTooLarge(MAX_HEADERS_BYTES)

    def on_headers_complete(self) -> None:
        self._stop_timer()
        if self._all.is_full:
            raise TooManyConnections
        # RFC 9112, section 3.2.2: the host in an absolute request target replaces the header Host.
        if b"://" in self.url and not self.url.startswith(b"/"):
            host = authority(self.url)
            self.headers[:] = [(name, host if name == b"host" else value) for name, value in self.headers]
        super().on_headers_complete()

    # Sending

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, partial(self._run, cycle, app))

    async def _run(self, cycle: RequestResponseCycle, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, partial(self._send, cycle))

    async def _send(self, cycle: RequestResponseCycle, message: Any) -> None:
        """Sends a message of the application: files without copying them, and bodies in parts."""
        if message["type"] == ZERO_COPY_SEND:
            part = range(message["offset"], message["offset"] + message["count"])
            await self._send_file(cycle, message["file"], part)
            return
        # HTTP/1.0 has no chunks: a body of unknown length ends where the connection is closed.
        if cycle.scope["http_version"] < "1.1":
            adapt_to_http_1_0(cycle, message)
        if message["type"] == "http.response.start" and cycle.more_body:
            # What follows of the body must not be taken for the next request.
            message["headers"] = [*message["headers"], (b"connection", b"close")]
            self._is_last = True
        if len(message.get("body", b"")) <= PART_BYTES:
            await cycle.send(message)
        else:
            await self._send_in_parts(cycle, message["body"], more_body=message.get("more_body", False))
        # The end of the response closes the connection, but not at once as uvicorn would.
        cycle.keep_alive = cycle.keep_alive or self._is_last

    async def _send_in_parts(self, cycle: RequestResponseCycle, body: bytes, *, more_body: bool) -> None:
        self._body_bytes = len(body)
        view = memoryview(body)
        for start in range(0, len(body), PART_BYTES):
            part: Any = view[start : start + PART_BYTES]
            is_last = start + PART_BYTES >= len(body)
            await cycle.send({"type": "http.response.body", "body": part, "more_body": more_body or not is_last})
        self._body_bytes = 0

    async def _send_file(self, cycle: RequestResponseCycle, file: int, part: range) -> None:
        """Sends a part of a file, of which the kernel copies most directly to the socket."""
        while part and not cycle.disconnected:
            # Then the transport has no unsent bytes, which would have to come before the file's.
            await self.flow.drain()
            await read_ahead(file, part[:FILE_PART_BYTES])
            sent = self._send_from_file(file, part[:FILE_PART_BYTES])
            cycle.expected_content_length -= sent
            part = part[sent:]
            # Other requests get their turn.
            await asyncio.sleep(0)
        await cycle.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _send_from_file(self, file: int, part: range) -> int:
        """Sends the beginning of a part of a file; returns its length. Sends nothing if the connection is closed."""
        # The descriptor of a closed connection may be that of another connection now.
        if self.transport.is_closing():
            return len(part)
        try:
            sent = os.sendfile(self.transport.get_extra_info("socket").fileno(), file, part.start, len(part))
        except BlockingIOError:
            # The transport resumes writing once the socket's buffer has room again.
            block = os.pread(file, min(FILE_WAIT_BYTES, len(part)), part.start)
            self.transport.write(block)
            sent = len(block)
        except ConnectionError:
            self.transport.abort()
            return len(part)
        # Without an error, the client could take a truncated file for the whole one.
        if not sent:
            raise EOFError(f"the file is {len(part)} bytes too short")
        return sent

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._is_last:
            self._end()
            return
        self._parse_input()
        if not self.pipeline:
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_timer = self.loop.call_later(MAX_SEND_SECONDS, self.abort)
        self._note_waiting()

    def resume_writing(self) -> None:
        self._stop_send_timer()
        super().resume_writing()
        self._note_waiting()

    # Limits

    def _note_waiting(self) -> None:
        """Notes whether the connection waits for its client. A client that sends more requests before it has read the
        responses counts as waited for, because the connection holds its input."""
        has_request = self._has_unfinished_response() and not self.cycle.more_body
        if has_request and not self.flow.write_paused and not self._input:
            self._all.resume(self)
        elif not self.transport.is_closing() or self.flow.write_paused:
            unsent = self._body_bytes + self.transport.get_write_buffer_size()
            self._all.wait(self, held_bytes=unsent + len(self._input))

    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedRequest(msg))

    def _start_timer(self) -> None:
        self._stop_timer()
        self._headers_timer = self.loop.call_later(MAX_HEADERS_SECONDS, self._time_out)

    def _stop_timer(self) -> None:
        self._received_bytes = 0
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _has_unfinished_response(self) -> bool:
        """Returns whether the response to an earlier request is in progress."""
        # Despite its type hint, `cycle` is None before the first request.
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _time_out(self) -> None:
        if self._has_unfinished_response():
            self._start_timer()
        else:
            self._refuse(RequestTimeout(f"The request's headers did not arrive within {MAX_HEADERS_SECONDS:.0f} s."))

    def _refuse(self, error: ServiceError) -> None:
        self._stop_timer()
        # uvicorn may have closed the connection already, and then nothing may be written to it.
        if self._is_ended():
            return
        if self._has_unfinished_response():
            if not self.cycle.more_body:
                # The error is in a later request: the connection is closed after the response to the earlier one.
                self.cycle.keep_alive = False
                return
            # The application gets no more of the body, and what it sends goes nowhere.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self._has_unfinished_response() or not self.cycle.response_started:
            self.transport.write(http_response(error))
        self._end()

    def _end(self) -> None:
        """Closes the connection as soon as the client does, or after a moment. If it were closed while the client is
        sending, the client might lose the response."""
        self._is_refused = True
        self.transport.write_eof()
        self.flow.is_held = False
        self.flow.resume_reading()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _is_ended(self) -> bool:
        return self._is_refused or self.transport.is_closing()


def http_response(error: ServiceError) -> bytes:
    """Returns the bytes of the response to a request that does not reach the application."""
    # There is no path yet, and the id is new.
    response = render({"path": "", REQUEST_ID: secrets.token_hex(8)}, error_response(error))
    lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode(), b"connection: close"]
    lines.append(f"{VERSION_HEADER}: {VERSION}".encode())
    lines += [name + b": " + value for name, value in response.raw_headers if name != b"connection"]
    return b"\r\n".join([*lines, b"", bytes(response.body)])


def authority(target: bytes) -> bytes:
    """Returns host and port of an absolute request target."""
    url = parse_url(target)
    host = url.host or b""
    # The parser removes the brackets of an IPv6 address.
    host = b"[" + host + b"]" if b":" in host else host
    return host if not url.port else host + b":" + str(url.port).encode()


def adapt_to_http_1_0(cycle: RequestResponseCycle, message: Message) -> None:
    """Makes uvicorn send a body of unknown length as it is, instead of in chunks."""
    if message["type"] == "http.response.start":
        if all(name.lower() != b"content-length" for name, _ in message["headers"]):
            cycle.chunked_encoding = False
    elif not cycle.expected_content_length:
        cycle.expected_content_length = len(message.get("body", b""))


async def read_ahead(file: int, part: range) -> None:
    """Reads a part of a file into the page cache, in a thread, unless its end is there already. `sendfile` would block
    the event loop while it waits for the disk."""
    try:
        os.preadv(file, [bytearray(1)], part[-1], os.RWF_NOWAIT)
    except OSError:  # the end is not cached, or the file system cannot tell
        await run_in_threadpool(os.pread, file, len(part), part.start)
