"""Limits on the number of event streams and long polls."""

from contextlib import ExitStack

import httpx
import pytest

from bakehouse.settings import Settings
from service import stream_slots
from service.errors import TooManyStreams
from service.middleware import is_stream
from service.stream_slots import StreamSlots
from tests.running_service import RunningService
from tests.service.raw_connections import connect_and_send, get
from tests.service.requests import create, problem


def test_one_address_has_at_most_the_streams_of_the_setting() -> None:
    slots = StreamSlots(Settings(max_streams_per_address=2))
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(slots.hold("10.0.0.1"))
        with pytest.raises(TooManyStreams, match="2 streams of this address"), slots.hold("10.0.0.1"):
            pass
        with slots.hold("10.0.0.2"):
            pass
    # An ended stream leaves its place.
    with slots.hold("10.0.0.1"):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "192.168.0.9"])
def test_loopback_and_trusted_proxies_stand_for_many_clients(address: str) -> None:
    slots = StreamSlots(Settings(max_streams_per_address=1, trusted_proxies="10.0.0.0/8, 192.168.0.9"))
    with slots.hold(address), slots.hold(address), slots.hold(address):
        pass


def test_all_addresses_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_slots, "MAX_STREAMS", 3)
    slots = StreamSlots(Settings())
    with ExitStack() as held:
        for address in ("127.0.0.1", "127.0.0.1", "10.0.0.1"):
            held.enter_context(slots.hold(address))
        with pytest.raises(TooManyStreams, match="3 streams in all"), slots.hold("10.0.0.2"):
            pass


@pytest.mark.parametrize("wrong", ["10.0.0.0/99", "proxy.example"])
def test_a_trusted_proxy_is_an_address_or_a_network(wrong: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        Settings(trusted_proxies=wrong)


@pytest.mark.parametrize(
    ("path", "headers", "query", "expected"),
    [
        ("/v1/events", {}, b"", True),
        ("/v1/runs/x/events", {b"accept": b"Text/Event-Stream"}, b"", True),
        ("/v1/runs/x/events", {}, b"limit=1&wait=9", True),
        ("/v1/runs/x/events", {}, b"limit=1", False),
        ("/v1/runs/x", {b"prefer": b"wait=9"}, b"", True),
        ("/v1/runs/x", {}, b"", False),
    ],
)
def test_streams_and_long_polls_are_counted(
    path: str, headers: dict[bytes, bytes], query: bytes, expected: bool
) -> None:
    assert is_stream({"method": "GET", "path": path, "query_string": query}, headers) is expected


def test_a_thousand_streams_leave_connections_for_everything_else(api: httpx.Client, service: RunningService) -> None:
    run = create(api)
    stream = get(f"/v1/runs/{run}/events", headers="Host: localhost\r\nAccept: text/event-stream\r\n")
    streams = [connect_and_send(service.url, stream) for _ in range(1005)]
    try:
        answers = [connection.recv(12) for connection in streams]
        assert answers.count(b"HTTP/1.1 200") == 1000
        assert answers.count(b"HTTP/1.1 429") == 5
        refused = api.get(f"/v1/runs/{run}/events?wait=5")
        assert problem(refused, 429)["type"] == "/problems/too_many_streams"
        assert refused.headers["retry-after"] == "5"
        for _ in range(3):
            assert httpx.get(f"{service.url}/healthz/live", trust_env=False).status_code == 200
        assert api.post(f"/v1/runs/{run}/cancel").status_code == 202
    finally:
        for connection in streams:
            connection.close()
