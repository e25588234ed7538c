"""Runs whose log was moved from Redis into a file: readers see no difference."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse

from tests.fake_worker import FakeWorker
from tests.service.requests import create

MAX_BYTES = 4096


@pytest.fixture
def run(api: httpx.Client, worker: FakeWorker) -> str:
    """The id of a run that has succeeded."""
    run_id = create(api, name="a", labels={"study": "norms"})
    worker.claim(run_id)
    worker.log_steps(run_id, 1, 20)
    worker.log_losses(run_id, [0.5, 0.4, 0.45])
    worker.save_best(run_id, 2, b"weights")
    worker.succeed(run_id)
    return run_id


def archive(worker: FakeWorker, run_id: str) -> None:
    """Does what the supervisor does an hour after the end of a run."""
    events = list(worker.store.logs.whole(run_id))
    worker.artifacts.write_log(run_id, (event.json for event in events))
    worker.store.archive(run_id, seq=len(events))


def answers(api: httpx.Client, run_id: str) -> list[Any]:
    """All that clients can read about a run."""
    path = f"/v1/runs/{run_id}"
    pages = (
        "",
        "/recipe",
        "/metrics",
        "/metrics?format=csv",
        "/events?limit=1000",
        "/events?after=7&limit=5",
        "/events?tail=true&before=8&limit=3",
        "/events?tail=true&limit=2&type=epoch",
        "/checkpoints",
    )
    found: list[Any] = [api.get(f"{path}{page}").text for page in pages]
    for after in (0, 7):
        with connect_sse(api, "GET", f"{path}/events?after={after}", headers={"accept": "text/event-stream"}) as source:
            found.append([(event.id, event.event, event.data) for event in source.iter_sse()])
    found.append(api.get("/v1/runs?status=succeeded&label=study:norms").text)
    return found


def test_readers_notice_nothing(api: httpx.Client, worker: FakeWorker, run: str) -> None:
    before = answers(api, run)
    archive(worker, run)
    assert answers(api, run) == before
    assert not worker.store._redis.exists(worker.store._keys.log(run))


def test_an_archived_run_takes_less_than_4_kib(worker: FakeWorker, run: str) -> None:
    archive(worker, run)
    redis = worker.store._redis
    keys = [key for key in redis.scan_iter(count=1000) if run.encode() in key]
    assert sum(redis.memory_usage(key, samples=0) or 0 for key in keys) < MAX_BYTES


def test_archiving_twice_changes_nothing(api: httpx.Client, worker: FakeWorker, run: str) -> None:
    before = answers(api, run)
    # Two supervisors may do it.
    archive(worker, run)
    archive(worker, run)
    assert answers(api, run) == before


def test_an_archived_run_is_renamed_retried_and_deleted(api: httpx.Client, worker: FakeWorker, run: str) -> None:
    archive(worker, run)
    assert api.patch(f"/v1/runs/{run}", json={"name": "b", "labels": {"study": None}}).json()["name"] == "b"
    assert api.get(f"/v1/runs/{run}").json()["labels"] == {}
    assert api.post(f"/v1/runs/{run}/retry").json()["name"] == "b"
    assert api.post(f"/v1/runs/{run}/cancel").status_code == 409
    assert api.delete(f"/v1/runs/{run}").json()["bytes_freed"] > 0
    assert api.get(f"/v1/runs/{run}").status_code == 404
    assert api.get(f"/v1/runs/{run}/events").status_code == 404


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"damaged")])
def test_a_damaged_log_is_410_and_the_run_can_still_be_read(
    api: httpx.Client, worker: FakeWorker, run: str, damage: Any
) -> None:
    archive(worker, run)
    damage(worker.artifacts._log(run) / "log.jsonl.zst")
    answer = api.get(f"/v1/runs/{run}/events")
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/log_damaged")
    assert api.get(f"/v1/runs/{run}").json()["status"] == "succeeded"
