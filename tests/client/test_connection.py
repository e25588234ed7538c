"""Which requests are repeated, and which errors are raised, against a server with scripted responses."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from bakehouse.client import (
    Client,
    ClientError,
    Conflict,
    NotAllowed,
    NotFound,
    RecipeRefused,
    Refused,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from bakehouse.client.connection import Connection, Retries
from tests.runs.examples import a_run

Response = tuple[int, dict[str, str], str]
Script = Callable[[list[Response]], "ScriptedServer"]

RUN = a_run()
CREATED: Response = (201, {}, RUN.model_dump_json())
CUT: Response = (0, {}, "")


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


def problem(status: int, **headers: str) -> Response:
    text = json.dumps({"type": "x", "status": status, "detail": "not now", "request_id": "r7", "new": 1})
    return (status, {name.replace("_", "-"): value for name, value in headers.items()}, text)


@pytest.mark.parametrize(
    "before",
    [
        [CUT],
        [problem(503)],
        [problem(500), CUT],
        [problem(429, Retry_After="0")],
        [problem(409, Retry_After="0")] * 6,
        [(502, {}, "<html>bad gateway</html>")],
    ],
)
def test_a_transient_failure_is_retried_with_the_same_key(script: Script, before: list[Response]) -> None:
    server = script([*before, CREATED])
    with Client(server.url) as client:
        assert client.submit({"dataset": "digits"}).id == RUN.id
    keys = {headers["Idempotency-Key"] for _, headers, _ in server.requests}
    bodies = {body for _, _, body in server.requests}
    assert (len(server.requests), len(keys), len(bodies)) == (len(before) + 1, 1, 1)


def test_two_submissions_have_two_keys(script: Script) -> None:
    server = script([CREATED, CREATED])
    with Client(server.url) as client:
        client.submit({"dataset": "digits"})
        client.submit({"dataset": "digits"})
    assert len({headers["Idempotency-Key"] for _, headers, _ in server.requests}) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RecipeRefused),
        (401, NotAllowed),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (413, Refused),
        (422, RecipeRefused),
        (429, TooManyRequests),
        (503, Unavailable),
    ],
)
def test_another_failure_is_an_error_with_the_request_id(script: Script, status: int, kind: type[Refused]) -> None:
    server = script([problem(status)] * 5)
    with Client(server.url) as client, pytest.raises(Refused, match="not now") as caught:
        client.submit({"dataset": "digits"})
    assert type(caught.value) is kind
    assert (caught.value.request_id, caught.value.status) == ("r7", status)
    assert len(server.requests) == (5 if kind in (TooManyRequests, Unavailable) else 1)


def test_a_delay_beyond_the_limit_is_an_error_at_once(script: Script) -> None:
    server = script([problem(503, Retry_After="3600")])
    with Client(server.url) as client, pytest.raises(Unavailable):
        client.submit({"dataset": "digits"})


def test_fields_of_a_newer_service_are_ignored(script: Script) -> None:
    document = RUN.model_dump(mode="json") | {"added_later": "x"}
    document["progress"] |= {"added_later": 3}
    server = script([(200, {}, json.dumps(document))])
    with Client(server.url) as client:
        assert client.run(RUN.id).record == RUN


def test_a_response_that_is_no_run_is_an_error(script: Script) -> None:
    server = script([(200, {}, "<html>login</html>")])
    with Client(server.url) as client, pytest.raises(UnexpectedAnswer, match="/v1/runs/x"):
        client.run("x")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "localhost:8000"])
def test_no_service_at_the_address_is_an_error(url: str) -> None:
    with pytest.raises(Unreachable, match=url):
        Client(url).run("x")


def test_the_address_comes_from_the_environment(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    server = script([(200, {}, RUN.model_dump_json())])
    monkeypatch.setenv("BAKEHOUSE_URL", server.url + "/")
    with Client() as client:
        assert client.run(RUN.id).id == RUN.id
    assert server.requests[0][0] == f"/v1/runs/{RUN.id}"


def test_every_timeout_is_finite() -> None:
    connection = Connection("http://127.0.0.1:1", timeout=15.0)
    assert None not in connection._http.timeout.as_dict().values()
    connection.close()


def test_every_error_is_a_client_error() -> None:
    assert all(issubclass(kind, ClientError) for kind in (Refused, Unreachable, UnexpectedAnswer))


def test_the_minute_for_retries_begins_with_the_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [1000.0], list[float]()
    monkeypatch.setattr(
        "bakehouse.client.connection.time", SimpleNamespace(monotonic=lambda: now[0], sleep=slept.append)
    )
    retries = Retries([0.1, 0.1])
    now[0] += 3600
    retries.wait_or_raise(Unreachable("http://x", "cut"))
    assert len(slept) == 1
    now[0] += 61
    with pytest.raises(Unreachable):
        retries.wait_or_raise(Unreachable("http://x", "cut"))
