"""HTTP on one connection: what the server does not limit by itself."""

import asyncio
import secrets
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import REQUEST_ID, Answer, render

HEAD_SECONDS = 5.0
HEAD_BYTES = 1 << 16


class Protocol(HttpToolsProtocol):
    """A request's head comes within seconds and is small, or the connection ends; what is not HTTP is a problem too."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(Answer(name="head_too_large", status=431, detail=f"The head has over {HEAD_BYTES} bytes."))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_is_there()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Answer(name="not_http", status=400, detail=msg))

    def _await_head(self) -> None:
        self._head_is_there()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _head_is_there(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        # The answer to an earlier request may still be on its way. Before the first there is none, whatever its type.
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._await_head()
        else:
            self._refuse(Answer(name="slow", status=408, detail=f"No request came within {HEAD_SECONDS:.0f} s."))

    def _refuse(self, answer: Answer) -> None:
        self._head_is_there()
        if self.transport.is_closing():
            return
        response = render({"path": "", REQUEST_ID: secrets.token_hex(8)}, answer)
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}".encode(), b"connection: close"]
        lines += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()
