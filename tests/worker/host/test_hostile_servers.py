"""What hostile addresses, names and servers try, against real servers: each is refused with its reason."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bakehouse.settings import Settings
from bakehouse.uploads.addresses import AddressRefused, HostRules, parse_address
from tests.fetching_bench import Bench, trust
from tests.https_server import Answer, HttpsServer, file_answer, https_server, redirect

TABLE = ("area,price\n" + "".join(f"{n},{3 * n}.5\n" for n in range(40))).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsServer]:
    with https_server(tmp_path_factory.mktemp("certificate")) as running:
        yield running


@pytest.fixture(autouse=True)
def trusted(server: HttpsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(server, monkeypatch)


@pytest.fixture
def bench(tmp_path: Path, redis_url: str, server: HttpsServer) -> Bench:
    return Bench(tmp_path, redis_url, server)


@pytest.mark.parametrize("host", [
    "2130706433", "0x7f000001", "0177.0.0.1", "017700000001", "127.1", "0", "localhost.", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[::1]", "[::]",
])  # fmt: skip
def test_no_spelling_of_this_machine_is_asked_though_it_is_listed(
    host: str, tmp_path: Path, redis_url: str, server: HttpsServer
) -> None:
    listed = f"{host.removesuffix('.')}:{server.port}"
    bench = Bench(tmp_path, redis_url, server, dataset_hosts=listed, private_dataset_hosts="")
    reason = bench.refusal(file_answer(TABLE), source=f"https://{host}:{server.port}/a.csv")
    assert "private, loopback, link-local or reserved" in reason
    assert server.requests == []


@pytest.mark.parametrize("host", [
    "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]",
])  # fmt: skip
def test_no_spelling_of_a_metadata_service_is_asked_though_private_hosts_are_listed(
    host: str, tmp_path: Path, redis_url: str, server: HttpsServer
) -> None:
    bench = Bench(tmp_path, redis_url, server, private_dataset_hosts=f"{host}, {server.host}")
    assert "metadata" in bench.refusal(file_answer(TABLE), source=f"https://{host}/latest/meta-data")
    assert "metadata" in bench.refusal(redirect(f"https://{host}/latest/meta-data"))
    assert len(server.requests) == 1


@pytest.mark.parametrize("address", [
    "https://data.example.org@127.0.0.1/a", "https://data.example.org:443@127.0.0.1/", "https://data.example.org%40x/",
    "https://data.example.org%00.evil.org/", "https://data.example.org.evil.org/", "https://evil.org/data.example.org",
    "https://evil.org?https://data.example.org", "https://evil.org#@data.example.org/", "https://data.example.org:22/",
    "https://data.example.org:+444/", "https://[data.example.org]/", "https://[fe80::1%25eth0]/", "gopher://127.0.0.1/",
    "//data.example.org/", "https:/data.example.org/", "https+unix://data.example.org/", "https://data.example.org;x/",
])  # fmt: skip
def test_what_only_looks_like_a_listed_host_is_refused(address: str) -> None:
    rules = HostRules(Settings(dataset_hosts="data.example.org"))
    with pytest.raises(AddressRefused):
        rules.check(parse_address(address))


def endless(request: str) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"x-more: " + b"a" * 4000 + b"\r\n"


def endless_news(request: str) -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100
        time.sleep(0.001)


def raw(*lines: str) -> Answer:
    head = "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()
    return lambda request: [head + TABLE]


def test_a_response_that_is_no_http_or_never_ends_is_left(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not HTTP" in bench.refusal(endless)
    for lines in (
        ("transfer-encoding: gzip, chunked",),
        ("content-length: 10", "content-length: 20"),
        ("content-length: -1",),
        (f"content-length: {'9' * 30}",),
        (" folded",),
    ):
        reason = bench.refusal(raw(*lines))
        assert "not HTTP" in reason or "at most" in reason
    assert "status 206" in bench.refusal(file_answer(TABLE, status="206 Partial Content"))
    assert "status 204" in bench.refusal(file_answer(b"", status="204 No Content"))
    for encoding in ("gzip", "deflate", "br", "gzip, gzip"):
        assert "compressed" in bench.refusal(file_answer(TABLE, content_encoding=encoding))
    monkeypatch.setattr("worker.host.https_request.HEADER_SECONDS", 0.3)
    assert "longer than 0.3 seconds to answer" in bench.refusal(endless_news)


def test_a_certificate_of_another_host_is_refused(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with https_server(tmp_path, names="subjectAltName=DNS:other.example.org") as other:
        trust(other, monkeypatch)
        reason = Bench(tmp_path / "home", redis_url, other).refusal(file_answer(TABLE))
    assert reason.startswith("it could not be fetched: the certificate of localhost is refused: Hostname mismatch")
    assert other.requests == []


def test_a_server_without_encryption_is_refused(
    tmp_path: Path, redis_url: str, server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[bytes] = []

    def answer_plainly(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                with plain, suppress(OSError):
                    received.append(plain.recv(65536))
                    plain.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na,b")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=answer_plainly, args=(listener,), daemon=True)
        thread.start()
        bench = Bench(tmp_path, redis_url, server, private_dataset_hosts=f"localhost:{port}")
        assert "does not speak HTTPS" in bench.refusal(source=f"https://localhost:{port}/a.csv")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert received
    assert not any(b"GET" in each for each in received)
