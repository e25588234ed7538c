"""The service behind a real nginx under a prefix of the path, without a setting of the service."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bakehouse.client import Client
from tests.fake_worker import FakeWorker
from tests.nginx import PREFIX, running_nginx
from tests.running_service import ROOT, RunningService
from tests.service.raw_connections import connect_and_send, get, receive_all
from tests.service.requests import RECIPE, create, problem

WEIGHTS = bytes(range(256)) * 1000


@pytest.fixture
def proxy(service: RunningService, tmp_path: Path) -> Iterator[str]:
    with running_nginx(service.url, tmp_path) as url:
        yield url


def test_every_address_in_a_response_works_behind_the_prefix(proxy: str, worker: FakeWorker) -> None:
    with httpx.Client(trust_env=False, timeout=10) as http:
        index = http.get(f"{proxy}/")
        links = index.json()["links"].values()
        assert [http.get(index.url.join(link)).status_code for link in links] == [200] * len(links)
        created = http.post(f"{proxy}/v1/runs", json=RECIPE)
        run = created.json()["id"]
        assert http.get(created.url.join(created.headers["location"])).json()["id"] == run
        worker.claim(run)
        worker.save_best(run, 2, WEIGHTS)
        worker.succeed(run)
        for below in ("", "/model.safetensors"):
            redirected = http.get(f"{proxy}/v1/runs/{run}/checkpoints/best{below}", follow_redirects=True)
            assert str(redirected.url) == f"{proxy}/v1/runs/{run}/checkpoints/2{below}"
            assert redirected.status_code == 200
        for action in ("retry", "fork"):
            again = http.post(f"{proxy}/v1/runs/{run}/{action}", json={} if action == "fork" else None)
            assert http.get(again.url.join(again.headers["location"])).json()["parent_run"] == run
        refused = problem(http.get(f"{proxy}/v1/runs/{run}/nope"), 404)
        assert refused["instance"] == f"{PREFIX}/v1/runs/{run}/nope"
        explained = http.get(created.url.join(str(refused["type"])), headers={"accept": "application/json"})
        assert explained.json()["name"] == "not_found"
        (server,) = http.get(f"{proxy}/openapi.json").json()["servers"]
        assert http.get(httpx.URL(f"{proxy}/openapi.json").join(server["url"])).json() == index.json()


@pytest.mark.skipif(not (ROOT / "web" / "dist").is_dir(), reason="the page is not built")
def test_the_page_works_behind_the_prefix(proxy: str) -> None:
    with httpx.Client(trust_env=False, timeout=10) as http:
        page = http.get(f"{proxy}/", headers={"accept": "text/html"})
        assets = re.findall(r"(?:src|href)=\"(\./page/[^\"]+)\"", page.text)
        assert [http.get(page.url.join(asset)).status_code for asset in assets] == [200] * 3


def test_the_python_client_works_behind_the_prefix(proxy: str, worker: FakeWorker, tmp_path: Path) -> None:
    with Client(proxy) as client:
        run = client.submit(RECIPE)
        worker.claim(run.id)
        worker.log_epoch(run.id, 1)
        worker.save_best(run.id, 1, WEIGHTS)
        worker.succeed(run.id)
        assert [event.type for event in run.stream()][-1] == "end"
        assert run.download_best(tmp_path / "best").read_bytes() == WEIGHTS


def test_events_pass_through_as_they_happen(proxy: str, api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    url = f"{proxy}/v1/runs/{run}/events"
    with httpx.stream("GET", url, headers={"accept": "text/event-stream"}, trust_env=False, timeout=10) as stream:
        types = (line.partition(": ")[2] for line in stream.iter_lines() if line.startswith("event: "))
        assert [next(types), next(types)] == ["state", "advice"]
        # If nginx collected the events, this one would not arrive before the end of the stream.
        worker.claim(run)
        assert next(types) == "state"
        last = threading.Timer(0, worker.succeed, [run])
        last.start()
        assert "end" in types
        last.join()


def test_an_http_1_0_client_gets_a_stream_without_chunks(
    service: RunningService, worker: FakeWorker, api: httpx.Client
) -> None:
    run = create(api)
    worker.claim(run)
    worker.succeed(run)
    accept = "Accept: text/event-stream\r\n"
    head, _, body = receive_all(
        connect_and_send(service.url, get(f"/v1/runs/{run}/events", version="1.0", headers=accept))
    ).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body.startswith(b"retry: ")
    (last,) = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")][-1:]
    assert last["type"] == "end"
