"""Limits on what a connection receives and sends, over raw connections: to the running service, and to small
applications behind the same protocol."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from bakehouse.version import VERSION
from service import connections, http_limits
from service.connections import Connections
from service.http_limits import LimitedHttpProtocol
from tests.fake_worker import FakeWorker
from tests.processes import wait_until
from tests.running_service import RunningService
from tests.service.raw_connections import TINY_BUFFER, connect_and_send, get, receive_all
from tests.service.requests import create

LARGE = bytes(4 << 20)


def answer(body: bytes, *, has_length: bool = True) -> ASGIApp:
    """An application that answers every request with this body."""
    headers = [(b"content-length", str(len(body)).encode())] if has_length else []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application


@contextmanager
def serving(application: ASGIApp) -> Iterator[tuple[str, uvicorn.Server]]:
    """Serves the application in a thread; yields the address and the server, which knows its connections."""
    config = uvicorn.Config(
        application,
        http=partial(LimitedHttpProtocol, Connections()),  # type: ignore[arg-type]
        loop="uvloop",
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
        finally:
            server.should_exit = True
            thread.join()


def resident_megabytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def test_downloads_that_nobody_reads_hold_little_memory_and_harm_nobody(
    api: httpx.Client, worker: FakeWorker, service: RunningService
) -> None:
    run = create(api)
    worker.claim(run)
    worker.save_best(run, 1, LARGE)
    path = f"/v1/runs/{run}/checkpoints/1/model.safetensors"
    assert api.get(path).content == LARGE
    before = resident_megabytes(service.process.pid)
    unread = [connect_and_send(service.url, get(path), receive_buffer=TINY_BUFFER) for _ in range(100)]
    try:
        assert all(connection.recv(9) == b"HTTP/1.1 " for connection in unread)
        assert httpx.get(f"{service.url}/healthz/live", trust_env=False).status_code == 200
        # A connection takes about 50 KiB, and the parts that it holds 16; with the old blocks of 1 MiB it took 2 MiB.
        assert resident_megabytes(service.process.pid) - before < 30
    finally:
        for connection in unread:
            connection.close()


def test_a_client_that_does_not_read_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "MAX_SEND_SECONDS", 0.2)
    with serving(answer(LARGE)) as (url, server):
        # In the second case the response is complete, but its end is still unsent.
        for connection in (
            connect_and_send(url, get("/"), receive_buffer=TINY_BUFFER),
            connect_and_send(url, get("/", version="1.0"), receive_buffer=TINY_BUFFER),
        ):
            wait_until(lambda: not server.server_state.connections)
            connection.close()


def test_a_client_that_reads_slowly_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "MAX_SEND_SECONDS", 5)
    with serving(answer(LARGE, has_length=False)) as (url, _):
        received = receive_all(connect_and_send(url, get("/", version="1.0"), receive_buffer=TINY_BUFFER))
        assert received.partition(b"\r\n\r\n")[2] == LARGE


def test_bytes_for_clients_that_do_not_read_are_limited_over_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MIN_WAIT_SECONDS", 0)
    monkeypatch.setattr(connections, "MAX_HELD_BYTES", 3 * len(LARGE))
    with serving(answer(LARGE)) as (url, server):
        unread = [connect_and_send(url, get("/"), receive_buffer=TINY_BUFFER) for _ in range(8)]
        assert all(connection.recv(9) == b"HTTP/1.1 " for connection in unread[-3:])
        wait_until(lambda: len(server.server_state.connections) <= 3)
        # The newest ones are kept.
        assert unread[-1].recv(9)
        for connection in unread:
            connection.close()


def test_a_new_connection_takes_the_place_of_the_one_that_has_waited_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 5)
    with serving(answer(LARGE)) as (url, server):
        unread = [connect_and_send(url, get("/"), receive_buffer=TINY_BUFFER) for _ in range(5)]
        assert all(connection.recv(9) == b"HTTP/1.1 " for connection in unread)
        wait_until(lambda: len(server.server_state.connections) == 5)
        assert httpx.get(url, trust_env=False).content == LARGE
        for connection in unread:
            connection.close()


def test_a_request_beyond_the_limit_is_refused_with_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    has_begun = threading.Semaphore(0)
    may_end = threading.Event()

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        has_begun.release()
        await asyncio.to_thread(may_end.wait)
        await answer(b"")(scope, receive, send)

    with serving(wait) as (url, _):
        busy = [connect_and_send(url, get("/")) for _ in range(2)]
        for _ in busy:
            has_begun.acquire()
        head, _, body = receive_all(connect_and_send(url, get("/"))).partition(b"\r\n\r\n")
        may_end.set()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in head
        assert json.loads(body)["type"] == "/problems/too_many_connections"
        assert all(connection.recv(15) == b"HTTP/1.1 200 OK" for connection in busy)
        for connection in busy:
            connection.close()


def test_requests_that_arrive_together_are_all_answered_and_wait_unparsed() -> None:
    waiting: list[int] = []
    server_of_test: list[uvicorn.Server] = []

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        (protocol,) = server_of_test[0].server_state.connections
        waiting.append(len(protocol.pipeline))  # type: ignore[union-attr]
        await answer(b"x")(scope, receive, send)

    with serving(count) as (url, server):
        server_of_test.append(server)
        last = get("/", headers="Host: localhost\r\nConnection: close\r\n")
        received = receive_all(connect_and_send(url, get("/") * 1799 + last))
    assert received.count(b"HTTP/1.1 200 OK") == 1800
    assert max(waiting) <= 1


def test_requests_whose_responses_are_not_read_are_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    answered: list[int] = []

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(LARGE)(scope, receive, send)
        answered.append(1)

    monkeypatch.setattr(http_limits, "MAX_SEND_SECONDS", 0.2)
    with serving(count) as (url, server):
        connection = connect_and_send(url, get("/") * 1000, receive_buffer=TINY_BUFFER)
        wait_until(lambda: not server.server_state.connections)
        connection.close()
    assert len(answered) < 10


@pytest.mark.parametrize("head", ["POST / HTTP/1.1\r\n", "POST / HTTP/1.0\r\nconnection: keep-alive\r\n"])
def test_the_rest_of_a_body_after_the_response_is_not_another_request(head: str) -> None:
    rest = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 4000
    request = f"{head}host: x\r\ncontent-length: {2 * len(rest)}\r\n\r\n".encode()
    with serving(answer(b"early")) as (url, _), connect_and_send(url, request + rest) as connection:
        assert connection.recv(9) == b"HTTP/1.1 "
        connection.sendall(rest)
        received = receive_all(connection)
    assert b"connection: close" in received
    assert received.endswith(b"\r\n\r\nearly")
    assert received.count(b"HTTP/1.1") == 0


def test_a_response_in_progress_is_completed_before_a_malformed_request_closes_the_connection() -> None:
    with serving(answer(LARGE)) as (url, _):
        received = receive_all(connect_and_send(url, get("/") + b"BREW / HTTP/1.1\r\n\r\n"))
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == LARGE


@pytest.mark.parametrize(("fields", "status"), [(65_000, 200), (66_000, 431), (100_000, 431), (300_000, 431)])
def test_headers_are_counted_before_they_are_accepted(service: RunningService, fields: int, status: int) -> None:
    padding = "Host: localhost\r\nConnection: close\r\nX-Long: " + "a" * (fields - 40) + "\r\n"
    received = receive_all(connect_and_send(service.url, get("/healthz/live", headers=padding)))
    assert received.startswith(f"HTTP/1.1 {status} ".encode())


def test_trailers_are_limited_and_are_not_headers(service: RunningService) -> None:
    head = b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    last = get("/", headers="Host: localhost\r\nConnection: close\r\n")
    received = receive_all(connect_and_send(service.url, head + b"Host: evil.example\r\n\r\n" + last))
    # The first request has neither two hosts nor another one; it lacks a content type.
    assert received.startswith(b"HTTP/1.1 415 ")
    assert b"HTTP/1.1 200 OK" in received
    # The service waits for the end of a body of the right type; another is refused as soon as its headers are read.
    waited_for = head.replace(b"Transfer", b"Content-Type: application/json\r\nTransfer")
    endless = receive_all(connect_and_send(service.url, waited_for + b"a: b\r\n" * 20_000))
    assert endless.startswith(b"HTTP/1.1 431 ")


def test_the_host_of_an_absolute_target_replaces_the_header(service: RunningService) -> None:
    for target, status in [("http://evil.example/", 421), ("http://[::1]:80/", 200), ("HTTP://localhost/", 200)]:
        headers = "Host: localhost\r\nConnection: close\r\n"
        received = receive_all(connect_and_send(service.url, get(target, headers=headers)))
        assert received.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize(
    ("sent", "status", "name"),
    [
        (b"BREW / HTTP/1.1\r\nhost: localhost\r\n\r\n", 400, "malformed_request"),
        (
            b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            400,
            "malformed_request",
        ),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nx-long: " + b"a" * 70_000, 431, "headers_too_large"),
    ],
)
def test_a_malformed_or_too_large_request_is_a_problem_and_closes_the_connection(
    service: RunningService, sent: bytes, status: int, name: str
) -> None:
    head, _, body = receive_all(connect_and_send(service.url, sent)).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"content-type: application/problem+json" in head
    assert f"Bakehouse-Version: {VERSION}".encode() in head
    problem = json.loads(body)
    assert (problem["status"], problem["type"]) == (status, f"/problems/{name}")


def test_a_connection_without_a_complete_request_is_closed(service: RunningService) -> None:
    whole, half = b"GET /healthz/live HTTP/1.1\r\nhost: localhost\r\n\r\n", b"GET /healthz/live HTTP/1.1\r\nx-slow: "
    silent, slow, reused = (connect_and_send(service.url, sent) for sent in (b"", half, whole + half))
    for connection in (silent, slow):
        response = receive_all(connection)
        assert response.startswith(b"HTTP/1.1 408 ")
        assert b"/problems/request_timeout" in response
    got = receive_all(reused)
    assert (got.count(b"HTTP/1.1 200 "), got.count(b"HTTP/1.1 408 ")) == (1, 1)
