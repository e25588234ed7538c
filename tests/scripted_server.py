"""A server with scripted responses."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

Response = tuple[int, dict[str, str], str]
Script = Callable[[list[Response]], "ScriptedServer"]


class ScriptedServer(HTTPServer):
    """Sends the given responses in order, and records the requests."""

    def __init__(self, responses: list[Response]) -> None:
        super().__init__(("127.0.0.1", 0), ScriptedHandler)
        self.responses = responses
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class ScriptedHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, ScriptedServer)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.path, dict(self.headers), body))
        status, headers, text = self.server.responses.pop(0)
        if status == 0:
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST  # noqa: N815 - the name is given by the base class

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is given by the base class
        pass


@pytest.fixture
def script() -> Iterator[Script]:
    """Starts servers that end with the test."""
    with ExitStack() as stack:

        def start(responses: list[Response]) -> ScriptedServer:
            server = ScriptedServer(responses)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return server

        yield start
