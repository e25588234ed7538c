"""Downloads: whole, by range, resumed, verified by digest."""

import asyncio
import base64
import hashlib
import os
import random
from pathlib import Path

import httpx
import pytest

from bakehouse.client import Client, Refused
from bakehouse.runs.commands import PurgeReplaced
from bakehouse.runs.transitions import KEEP_REPLACED_MS
from service import digests
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService
from tests.service.requests import create, problem

WEIGHTS = random.Random(0).randbytes(3_000_000)
SIZE = len(WEIGHTS)


@pytest.fixture
def file(api: httpx.Client, worker: FakeWorker) -> str:
    """The address of a best checkpoint."""
    run = create(api)
    worker.claim(run)
    worker.save_best(run, 2, WEIGHTS)
    return f"/v1/runs/{run}/checkpoints/2/model.safetensors"


def test_roles_redirect_to_epochs(api: httpx.Client, file: str) -> None:
    folder = file.removesuffix("/2/model.safetensors")
    (listed,) = api.get(folder).json()["data"]
    assert (listed["epoch"], listed["roles"], listed["bytes"]) == (2, ["best"], SIZE)
    assert api.get(f"{folder}/2").json() == listed
    for below in ("", "/model.safetensors"):
        moved = api.get(f"{folder}/best{below}")
        assert (moved.status_code, moved.headers["location"]) == (307, f"../2{below}" if below else "2")
        assert str(moved.next_request and moved.next_request.url) == f"{api.base_url}{folder}/2{below}".replace(
            "//v1", "/v1"
        )
    for absent in ("last", "3", "02", "9" * 300, "x", "-1"):
        assert api.get(f"{folder}/{absent}").status_code == 404
        assert api.get(f"{folder}/{absent}/model.safetensors").status_code == 404


def test_a_whole_download_has_size_digest_and_etag(api: httpx.Client, file: str) -> None:
    sha256 = hashlib.sha256(WEIGHTS)
    for answer in (api.get(file), api.head(file)):
        assert answer.status_code == 200
        assert answer.headers["content-length"] == str(SIZE)
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["etag"] == f'"sha256-{sha256.hexdigest()}"'
        assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(sha256.digest()).decode()}:"
        assert answer.headers["content-disposition"].startswith("attachment; filename=")
        assert {"private", "immutable"} <= set(answer.headers["cache-control"].split(", "))
    assert api.get(file).content == WEIGHTS
    assert api.get(file, headers={"If-None-Match": api.head(file).headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0), ("bytes=5-9", 5, 9), ("bytes=2999999-", SIZE - 1, SIZE - 1),
        ("bytes=-10", SIZE - 10, SIZE - 1), ("bytes=-9999999", 0, SIZE - 1), ("bytes=100-99999999", 100, SIZE - 1),
        ("bytes=1000000-2500000", 1_000_000, 2_500_000), ("Bytes= 5-9", 5, 9), ("bytes=7-" + "9" * 40, 7, SIZE - 1),
    ],
)  # fmt: skip
def test_one_range_returns_these_bytes(api: httpx.Client, file: str, asked: str, first: int, last: int) -> None:
    answer = api.get(file, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.content == WEIGHTS[first : last + 1]
    assert "repr-digest" in answer.headers


@pytest.mark.parametrize("asked", ["bytes=9-5", "bytes=-", "items=0-1", "bytes=0-1,5-6", "bytes", "bytes=a-b"])
def test_malformed_and_multiple_ranges_are_ignored(api: httpx.Client, file: str, asked: str) -> None:
    answer = api.get(file, headers={"Range": asked})
    assert (answer.status_code, len(answer.content)) == (200, SIZE)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=99999999999-", "bytes=-0", "bytes=" + "9" * 40 + "-"])
def test_a_range_after_the_end_is_416(api: httpx.Client, file: str, asked: str) -> None:
    answer = api.get(file, headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{SIZE}")
    assert answer.headers["content-type"] == "application/problem+json"


def test_if_range_with_another_etag_returns_the_whole_file(api: httpx.Client, file: str) -> None:
    tag = api.head(file).headers["etag"]
    assert api.get(file, headers={"Range": "bytes=5-", "If-Range": tag}).status_code == 206
    for other in ('"sha256-0"', f"W/{tag}", "Sat, 31 Jan 2026 12:00:00 GMT"):
        assert api.get(file, headers={"Range": "bytes=5-", "If-Range": other}).status_code == 200


def test_if_match_accepts_only_the_etag_of_this_file(api: httpx.Client, file: str) -> None:
    tag = api.head(file).headers["etag"]
    for given, status in [(tag, 200), (f'"x", {tag}', 200), ("*", 200), ('"x"', 412), (f"W/{tag}", 412)]:
        for method in ("GET", "HEAD"):
            assert api.request(method, file, headers={"If-Match": given}).status_code == status
    refused = api.get(file, headers={"If-Match": '"x"'}).json()
    assert refused["type"] == "/problems/precondition_failed"


def test_a_download_survives_the_deletion_of_its_run(api: httpx.Client, worker: FakeWorker, file: str) -> None:
    run = file.split("/")[3]
    worker.succeed(run)
    with api.stream("GET", file) as answer:
        assert api.delete(f"/v1/runs/{run}").json()["bytes_freed"] >= SIZE
        assert answer.read() == WEIGHTS
    assert api.get(file).status_code == 404


def test_an_interrupted_download_resumes_to_the_same_bytes(api: httpx.Client, file: str) -> None:
    cuts, got = random.Random(1), b""
    while len(got) < SIZE:
        with api.stream("GET", file, headers={"Range": f"bytes={len(got)}-"}) as answer:
            for piece in answer.iter_bytes(cuts.randrange(1, 400_000)):
                got += piece
                if cuts.random() < 0.3:
                    break
    assert got == WEIGHTS


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_listed_checkpoint_whose_file_is_missing_is_503(
    api: httpx.Client, worker: FakeWorker, service: RunningService, file: str, method: str
) -> None:
    worker.artifacts.delete_run(file.split("/")[3])
    answer = api.request(method, file)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    if method == "GET":
        document = problem(answer, 503)
        assert document["type"] == "/problems/store_unavailable"
        assert "BAKEHOUSE_HOME" in str(document["detail"])
        assert "No such file or directory" in str(document["detail"])
        assert str(service.home) not in answer.text
    assert problem(api.get(file.replace("/2/", "/3/")), 404)["type"] == "/problems/checkpoint_not_found"


def test_a_listed_checkpoint_that_cannot_be_read_is_503(api: httpx.Client, worker: FakeWorker, file: str) -> None:
    path = worker.artifacts.checkpoint_path(file.split("/")[3], hashlib.sha256(WEIGHTS).hexdigest())
    path.unlink()
    path.mkdir()
    assert problem(api.get(file), 503)["type"] == "/problems/store_unavailable"


def test_a_checkpoint_that_was_purged_is_404(
    api: httpx.Client, worker: FakeWorker, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = file.split("/")[3]
    worker.save_best(run, 3, b"newer")
    later = worker.store.now() + KEEP_REPLACED_MS
    monkeypatch.setattr(worker.store._operations.reads.clock, "now", lambda: later)
    worker.store.command(run, PurgeReplaced())
    assert problem(api.get(file), 404)["type"] == "/problems/checkpoint_not_found"


def damaged_file(worker: FakeWorker, file: str) -> Path:
    """The path of the checkpoint's file."""
    return worker.artifacts.checkpoint_path(file.split("/")[3], hashlib.sha256(WEIGHTS).hexdigest())


def flip(path: Path, *, keep_times: bool = False) -> None:
    """Changes one bit of a file in place."""
    times = path.stat()
    with path.open("r+b") as content:
        first = content.read(1)[0]
        content.seek(0)
        content.write(bytes([first ^ 1]))
    if keep_times:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("kind", ["flipped", "flipped with the old times", "truncated", "extended"])
def test_a_damaged_checkpoint_is_never_sent(
    api: httpx.Client, worker: FakeWorker, client: Client, file: str, tmp_path: Path, kind: str
) -> None:
    # The file is sound when it is first sent, so its digest is known.
    tag = api.get(file).headers["etag"]
    path = damaged_file(worker, file)
    match kind:
        case "flipped":
            flip(path)
        case "flipped with the old times":
            flip(path, keep_times=True)
        case "truncated":
            os.truncate(path, SIZE - 1)
        case _:
            os.truncate(path, SIZE + 1)
    for headers in ({}, {"Range": "bytes=5-9"}, {"If-None-Match": tag}, {"Range": "bytes=0-0", "If-Range": tag}):
        refused = problem(api.get(file, headers=headers), 410)
        assert refused["type"] == "/problems/checkpoint_damaged"
    assert api.head(file).status_code == 410
    run = file.split("/")[3]
    (listed,) = worker.store.record(run).checkpoints
    assert api.get(f"/v1/runs/{run}").json()["best"]["epoch"] == 2
    with pytest.raises(Refused, match=f"checkpoint of epoch 2 of the run {run} is damaged"):
        client.run(run).download(listed, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []
    # A file that is restored is sent again.
    path.write_bytes(WEIGHTS)
    assert api.get(file).content == WEIGHTS


def test_a_file_is_hashed_once_however_many_ranges_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(WEIGHTS)
    hashed = []

    def hash_and_count(descriptor: int) -> str:
        hashed.append(descriptor)
        return digests.hash_file(descriptor)

    async def ask() -> list[str]:
        known = digests.Digests(hash_and_count)
        with (tmp_path / "file").open("rb") as file:
            together = await asyncio.gather(*(known.sha256(file.fileno()) for _ in range(20)))
            return [*together, await known.sha256(file.fileno())]

    assert set(asyncio.run(ask())) == {hashlib.sha256(WEIGHTS).hexdigest()}
    assert len(hashed) == 1
