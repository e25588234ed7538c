"""Data sets that are fetched from a real server by HTTPS, with a real Redis and a real store."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bakehouse.data.catalog import Catalog
from bakehouse.store.file_store import FileStore
from bakehouse.uploads.addresses import parse_address
from bakehouse.uploads.record import DatasetDraft
from tests.fetching_bench import Bench, trust
from tests.https_server import Answer, HttpsServer, file_answer, https_server, redirect
from tests.runs.examples import an_owner
from worker.host import fetching, https_request, inspector
from worker.host.housekeeping import clean_up

TABLE = ("area,price\n" + "".join(f"{n},{3 * n}.5\n" for n in range(40))).encode()
OTHER = TABLE.replace(b".5", b".25")
SHA256 = hashlib.sha256(TABLE).hexdigest()
TAGGED = {"etag": '"one"', "accept_ranges": "bytes"}


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


def test_a_file_is_fetched_once_and_pinned_by_its_digest(bench: Bench) -> None:
    fetched = bench.add(file_answer(TABLE))
    assert (fetched.status, fetched.sha256, fetched.bytes) == ("inspecting", SHA256, len(TABLE))
    assert bench.inspector.inspect_next()
    catalog = Catalog(bench.settings)
    card = catalog.card("houses")
    assert card.counts.train == 40
    assert card.origin == f"upload of houses.csv, fetched from {bench.server.address()} (sha256 {SHA256})"
    assert fetched.source_note is None
    # Packed again, it is not fetched again.
    bench.inspector.inspections.repeat(fetched.id)
    assert not bench.inspector.fetch_next()
    assert bench.inspector.inspect_next()
    assert bench.records.get(fetched.id).status == "ready"
    assert len(bench.server.requests) == 1
    # The next versions are read anew, and compared.
    assert "the same that houses@1" in (bench.add(file_answer(TABLE)).source_note or "")
    note = bench.add(file_answer(OTHER)).source_note
    assert note == f"the file differs from what houses@2 was fetched as, from this address (sha256 {SHA256})"


def test_a_file_that_is_not_the_expected_one_is_refused(bench: Bench) -> None:
    assert f"the sha-256 {hashlib.sha256(OTHER).hexdigest()}, not {SHA256}" in bench.refusal(
        file_answer(OTHER), sha256=SHA256
    )
    assert "empty" in bench.refusal(file_answer(b""))


def rest(start: int, data: bytes = TABLE, tag: str = '"one"') -> Answer:
    """The answer with what follows the first `start` bytes."""
    place = f"bytes {start}-{len(data) - 1}/{len(data)}"
    return file_answer(data[start:], status="206 Partial Content", content_range=place, etag=tag)


def test_after_a_cut_only_the_rest_is_asked_for_if_the_file_is_still_the_same(bench: Bench) -> None:
    cut = file_answer(TABLE[:100], length=len(TABLE), **TAGGED)
    assert bench.add(cut, rest(100)).sha256 == SHA256
    first, second = bench.server.requests
    assert "range:" not in first.lower()
    assert "range: bytes=100-" in second.lower()
    assert 'if-range: "one"' in second.lower()
    # A server that has another file now, or no ranges, gives all of it.
    whole = file_answer(OTHER, etag='"two"')
    for answers in ([cut, whole], [cut, rest(90), whole], [cut, rest(100, tag='"two"'), whole]):
        assert bench.add(*answers).sha256 == hashlib.sha256(OTHER).hexdigest()
    plain = file_answer(TABLE[:100], length=len(TABLE))
    assert bench.add(plain, file_answer(TABLE)).sha256 == SHA256
    assert "range" not in bench.server.requests[-1].lower()


def test_as_long_as_a_cut_file_grows_the_rest_is_asked_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PROGRESS_BYTES", 20)
    cuts = [file_answer(TABLE[:20], length=len(TABLE), **TAGGED)]
    cuts += [part(start, start + 20) for start in range(20, 200, 20)]
    assert bench.add(*cuts, rest(200)).sha256 == SHA256
    assert len(bench.server.requests) == 11 > fetching.MAX_TRIES


def part(start: int, stop: int) -> Answer:
    """The answer with the rest of the file, which is cut."""
    place = f"bytes {start}-{len(TABLE) - 1}/{len(TABLE)}"
    fields = {"content_range": place, "etag": '"one"'}
    return file_answer(TABLE[start:stop], status="206 Partial Content", length=len(TABLE) - start, **fields)


def test_a_server_that_goes_on_cutting_is_refused(bench: Bench) -> None:
    cut = file_answer(TABLE[:100], length=len(TABLE))
    assert "was cut" in bench.refusal(cut)
    assert len(bench.server.requests) == fetching.MAX_TRIES
    # Without a length, only the end of the encryption tells the end of the file.
    assert "was cut" in bench.refusal(lambda request: [b"HTTP/1.1 200 OK\r\n\r\n" + TABLE])
    assert "status 503" in bench.refusal(file_answer(b"", status="503 Later"))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(line), line) for line in TABLE.splitlines(keepends=True))
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert bench.add(lambda request: [head, chunks + b"0\r\n\r\n"]).sha256 == SHA256


def test_more_than_was_announced_is_refused(bench: Bench) -> None:
    assert f"more than the {len(TABLE) - 7:,} bytes" in bench.refusal(file_answer(TABLE, length=len(TABLE) - 7))


def test_limits_hold_before_and_while_the_file_arrives(tmp_path: Path, redis_url: str, server: HttpsServer) -> None:
    bench = Bench(tmp_path, redis_url, server, max_dataset_bytes=1 << 20, max_uploaded_bytes=1 << 19)
    assert "at most 1,048,576 bytes" in bench.refusal(file_answer(b"a", length=10 << 30))
    assert "BAKEHOUSE_MAX_UPLOADED_BYTES" in bench.refusal(file_answer(b"a", length=1 << 20))
    assert len(server.requests) == 2
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    endless = (b"10000\r\n%s\r\n" % (b"1,2\n" * (1 << 14)) for _ in range(1000))
    assert "BAKEHOUSE_MAX_UPLOADED_BYTES" in bench.refusal(lambda request: [head, *endless])


def test_a_lie_about_ten_gigabytes_takes_no_space(bench: Bench) -> None:
    assert "100 bytes after the beginning" in bench.refusal(file_answer(TABLE[:100], length=10 << 30))


def drip(request: str) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
    for _ in range(100):
        time.sleep(0.02)
        yield b"1"


def test_a_server_that_drips_is_left(
    bench: Bench, tmp_path: Path, redis_url: str, server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = Bench(tmp_path, redis_url, server, fetch_seconds=0.2)
    assert "BAKEHOUSE_FETCH_SECONDS" in hasty.refusal(drip)
    monkeypatch.setattr(https_request, "SLOW_SECONDS", 0.1)
    assert "fewer than 1,024 bytes a second" in bench.refusal(drip)
    monkeypatch.setattr(https_request, "STALL_SECONDS", 0.01)
    assert "sends nothing" in bench.refusal(drip)
    monkeypatch.setattr(https_request, "HEADER_SECONDS", 0.0)
    assert "longer than 0 seconds to answer" in bench.refusal(drip)


def test_a_redirect_is_followed_to_a_listed_host_only(bench: Bench, server: HttpsServer) -> None:
    for location in (f"https://127.0.0.1:{server.port}/", "https://169.254.169.254/", "https://localhost/"):
        reason = bench.refusal(redirect(location))
        assert "the server redirects to an address that is not fetched: " in reason
        assert "is none of the hosts" in reason
    for location in (f"http://{server.host}/", "file:///etc/passwd", "https://u:p@localhost/", "", "https://[/"):
        assert "the server redirects to an address that is not fetched: " in bench.refusal(redirect(location))
    assert "does not say where the file is" in bench.refusal(file_answer(b"", status="302 Found"))
    assert len(server.requests) == 9
    assert "more than 5 times" in bench.refusal(redirect("/again"))
    # A signed address is fine here: it is valid for this request alone, and is not shown.
    there = redirect(server.address(f"/there?X-Amz-Security-Token={'a' * 3000}&X-Amz-Signature=abc"))
    assert bench.add(redirect("/here"), there, file_answer(TABLE)).source == server.address()
    assert server.requests[-1].split(" ")[1].endswith("a&X-Amz-Signature=abc")


def test_a_host_of_this_machine_is_refused_unless_the_operator_says_so(
    tmp_path: Path, redis_url: str, server: HttpsServer
) -> None:
    bench = Bench(tmp_path, redis_url, server, private_dataset_hosts="", dataset_hosts=server.host)
    assert "BAKEHOUSE_PRIVATE_DATASET_HOSTS" in bench.refusal(file_answer(TABLE))
    assert server.requests == []


def test_the_address_that_was_checked_is_the_one_that_is_asked(
    bench: Bench, server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups = []

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        lookups.append(host)
        place = ("127.0.0.1" if len(lookups) == 1 else "169.254.169.254", port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    server.answers[:] = [file_answer(TABLE)]
    assert fetched_directly(bench) == TABLE
    assert lookups == ["localhost"]
    # The next connection is checked anew.
    assert "metadata" in bench.refusal(file_answer(TABLE))
    assert len(server.requests) == 1


def fetched_directly(bench: Bench) -> bytes:
    address = parse_address(bench.server.address())
    deadline = https_request.Deadline(time.monotonic() + 10)
    with https_request.open_response(address, {}, may_be_private=True, deadline=deadline) as response:
        return b"".join(response.wire.body())


def test_what_no_repetition_mends_is_refused_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "status 404" in bench.refusal(file_answer(b"no", status="404 Not Found"))
    assert "compressed" in bench.refusal(file_answer(b"no", content_encoding="gzip"))
    assert "web page" in bench.refusal(file_answer(b"\n<!DOCTYPE html><p>a,b", content_type="text/html; charset=x"))
    assert len(bench.server.requests) == 3
    monkeypatch.setenv("SSL_CERT_FILE", "/missing.pem")
    assert "SSL_CERT_FILE" in bench.refusal(file_answer(TABLE))
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "the certificate of localhost is refused" in bench.refusal(file_answer(TABLE))
    assert len(bench.server.requests) == 3


def test_an_address_that_kills_its_fetchers_is_refused(bench: Bench) -> None:
    draft = DatasetDraft(name="houses", source=bench.server.address())
    record, _ = bench.records.create(draft, newest_on_disk=0)
    for number in range(inspector.MAX_LOSSES):
        assert bench.inspector.fetches.claim(an_owner(f"{number}"), is_dead=lambda owner: True)
    bench.records.redis.delete(bench.records.keys.inspection_lease(record.id))
    assert bench.inspector.fetch_next()
    refused = bench.records.get(record.id)
    assert (refused.status, "5 processes that worked on it" in (refused.problem or "")) == ("refused", True)
    assert bench.server.requests == []


def test_a_data_set_that_is_deleted_while_it_is_fetched_leaves_nothing(
    tmp_path: Path, redis_url: str, server: HttpsServer
) -> None:
    bench = Bench(tmp_path, redis_url, server, lease_seconds=0.1)
    begun = threading.Event()

    def slow(request: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n"
        begun.set()
        while True:
            time.sleep(0.005)
            yield bytes(10_000)

    server.answers[:] = [slow]
    draft = DatasetDraft(name="houses", filename="houses.csv", source=server.address())
    record, _ = bench.records.create(draft, newest_on_disk=0)
    fetching_thread = threading.Thread(target=bench.inspector.fetch_next)
    fetching_thread.start()
    assert begun.wait(10)
    bench.records.delete(record.id)
    fetching_thread.join(10)
    assert not fetching_thread.is_alive()
    clean_up(bench.settings, bench.records, FileStore(bench.settings.store_folder))
    assert [Path(path).name for path in bench.files()] == [".publication.lock"]
    assert not bench.inspector.fetch_next()
