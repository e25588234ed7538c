"""Hosts that share a Redis and a bucket, and no disk: a run goes on on another one bit for bit, and its weights are
downloaded from a service that has none of its files."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.runs.record import Record
from bakehouse.runs.status import TERMINAL
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from bakehouse.store.bucket import Bucket
from tests.bucket_server import BucketServer, objects_in, run_bucket
from tests.processes import LIMIT_SECONDS, process_tree
from tests.processes import wait_until as wait_until_within
from tests.running_service import ROOT, RunningService, start_service
from tests.stored_runs import ENDLESS, REFERENCE, Document, events_of

LEASE_SECONDS = "4"
# Several hosts are started, each of which imports torch.
wait_until = partial(wait_until_within, seconds=2 * LIMIT_SECONDS)
RECIPE: Document = {**REFERENCE, "epochs": 60, "early_stopping": "none"}


@pytest.fixture(scope="module")
def bucket() -> Iterator[BucketServer]:
    with run_bucket() as server:
        yield server


@pytest.fixture(autouse=True)
def answers(bucket: BucketServer) -> Iterator[None]:
    """The bucket answers as it should at the end of each test."""
    yield
    bucket.refusal = None
    bucket.delay_seconds = 0.0


def environment_of(settings: Settings) -> dict[str, str]:
    chosen = settings.model_dump(exclude_none=True, exclude={"home"})
    return {f"BAKEHOUSE_{name.upper()}": str(value) for name, value in chosen.items()}


@pytest.fixture
def shared(bucket: BucketServer, redis_url: str, tmp_path: Path) -> Settings:
    """The settings of the service; each test has a part of the bucket for itself."""
    prefix = f"/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"
    chosen = {"redis_url": redis_url, "workers": 1, "port": 0, "archive_after_seconds": 0}
    return bucket.settings(tmp_path / "service", prefix, **chosen)


@pytest.fixture
def service(shared: Settings) -> Iterator[RunningService]:
    running = start_service(str(shared.redis_url), shared.home, folder=ROOT, **environment_of(shared))
    yield running
    running.end()


@contextmanager
def host(shared: Settings, name: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs the workers of a host with a home of its own."""
    home = shared.home.parent / name
    home.mkdir(exist_ok=True)
    chosen = {"BAKEHOUSE_HOME": str(home), "BAKEHOUSE_LEASE_SECONDS": LEASE_SECONDS, **environment_of(shared)}
    with (home / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "worker.main"], env={**os.environ, **chosen}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(LIMIT_SECONDS)


def kill_host(process: "subprocess.Popen[bytes]") -> None:
    for pid in process_tree(process.pid):
        os.kill(pid, signal.SIGKILL)


def submit(service: RunningService, recipe: Document) -> str:
    answer = httpx.post(f"{service.url}/v1/runs", json=recipe, trust_env=False, timeout=LIMIT_SECONDS)
    answer.raise_for_status()
    return str(answer.json()["id"])


def wait_for_end(store: Store, run_id: str) -> Record:
    wait_until(lambda: store.record(run_id).status in TERMINAL)
    return store.record(run_id)


def messages(store: Store, run_id: str) -> list[str]:
    return [str(event.data["message"]) for event in events_of(store, run_id) if event.type == "log"]


def weights_of(record: Record) -> dict[str, str]:
    return {role: each.sha256 for each in record.checkpoints for role in each.roles}


def best_of(service: RunningService, record: Record) -> bytes:
    path = f"/v1/runs/{record.id}/checkpoints/best/model.safetensors"
    answer = httpx.get(f"{service.url}{path}", follow_redirects=True, trust_env=False, timeout=LIMIT_SECONDS)
    answer.raise_for_status()
    return answer.content


def test_a_run_goes_on_on_another_host_bit_for_bit(shared: Settings, service: RunningService) -> None:
    store = Store(connect(service.redis_url, patient=True))
    run_id = submit(service, RECIPE)
    with host(shared, "first") as first:
        wait_until(lambda: store.record(run_id).resume_step > 0)
        kill_host(first)
    assert store.record(run_id).status in ("running", "queued")
    with host(shared, "second"):
        record = wait_for_end(store, run_id)
        assert (record.status, record.attempt) == ("succeeded", 2)
        assert any(each.startswith("The run resumes after step") for each in messages(store, run_id))
        alone = wait_for_end(store, submit(service, RECIPE))
        assert alone.attempt == 1
        assert weights_of(record) == weights_of(alone)
        assert record.best == alone.best
        # Logs are archived, and resume states deleted, by the supervisor of any host.
        wait_until(lambda: f"runs/{run_id}/log/manifest.json" in objects_in(shared))
        wait_until(lambda: not any("/resume/" in key for key in objects_in(shared)))
    assert not (shared.home / "artifacts").exists() or not any((shared.home / "artifacts").rglob("*.safetensors"))
    weights = best_of(service, record)
    best = next(each for each in record.checkpoints if "best" in each.roles)
    assert hashlib.sha256(weights).hexdigest() == best.sha256
    log = httpx.get(f"{service.url}/v1/runs/{run_id}/events", trust_env=False, timeout=LIMIT_SECONDS)
    assert store.record(run_id).archived
    assert log.status_code == 200, log.text
    assert log.json()["data"][0]["seq"] == 1


def test_a_run_trains_while_the_store_is_away_and_loses_nothing(
    shared: Settings, service: RunningService, bucket: BucketServer
) -> None:
    store = Store(connect(service.redis_url, patient=True))
    run_id = submit(service, {**ENDLESS, "epochs": 10_000})
    with host(shared, "first"):
        wait_until(lambda: store.record(run_id).resume_step > 0)
        bucket.refusal = 503, "SlowDown"
        wait_until(lambda: any("cannot be used at the moment" in each for each in messages(store, run_id)))
        epoch = store.record(run_id).logged_epoch
        wait_until(lambda: store.record(run_id).logged_epoch > epoch + 2)
        # What is asked for now is accepted, and is done.
        later = submit(service, RECIPE)
        saved = store.record(run_id).resume_step
        bucket.refusal = None
        wait_until(lambda: store.record(run_id).resume_step > saved)
        assert "The store can be used again." in messages(store, run_id)
        httpx.post(f"{service.url}/v1/runs/{run_id}/stop", trust_env=False).raise_for_status()
        for each in (run_id, later):
            record = wait_for_end(store, each)
            assert (record.status, record.attempt) == ("succeeded", 1)
            best = next(item for item in record.checkpoints if "best" in item.roles)
            assert hashlib.sha256(best_of(service, record)).hexdigest() == best.sha256


def test_a_host_that_ends_while_the_store_is_away_gives_its_run_back(
    shared: Settings, service: RunningService, bucket: BucketServer
) -> None:
    store = Store(connect(service.redis_url, patient=True))
    run_id = submit(service, {**ENDLESS, "epochs": 10_000})
    with host(shared, "first"):
        wait_until(lambda: store.record(run_id).resume_step > 0)
        bucket.refusal = 403, "ExpiredToken"
        wait_until(lambda: any("has expired" in each for each in messages(store, run_id)))
    record = store.record(run_id)
    assert (record.status, record.reason) == ("queued", "preempted")
    bucket.refusal = None
    with host(shared, "second"):
        wait_until(lambda: store.record(run_id).attempt == 2 and store.record(run_id).owner is not None)
        wait_until(lambda: any("The run resumes after step" in each for each in messages(store, run_id)))
        httpx.post(f"{service.url}/v1/runs/{run_id}/cancel", trust_env=False).raise_for_status()
        assert wait_for_end(store, run_id).status == "cancelled"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDenied", "the access key has no right to do this in the bucket"),
        ("RequestTimeTooSkewed", "the clock of this machine differs too much"),
        ("InvalidAccessKeyId", "does not know the access key"),
    ],
)
def test_a_service_does_not_start_with_a_store_that_refuses(
    shared: Settings, bucket: BucketServer, code: str, words: str
) -> None:
    bucket.refusal = 403, code
    with pytest.raises(RuntimeError, match=words) as refused:
        start_service(str(shared.redis_url), shared.home, folder=ROOT, **environment_of(shared))
    assert f"BAKEHOUSE_STORE={shared.store} cannot be used" in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_a_service_does_not_start_with_a_bucket_that_does_not_exist(shared: Settings) -> None:
    settings = shared.model_copy(update={"store": "s3://no-such-bucket"})
    with pytest.raises(RuntimeError, match="cannot be used: there is no bucket no-such-bucket"):
        start_service(str(shared.redis_url), shared.home, folder=ROOT, **environment_of(settings))


def test_a_worker_with_another_or_an_emptied_store_ends(
    shared: Settings, service: RunningService, bucket: BucketServer
) -> None:
    other = shared.model_copy(update={"store": f"{shared.store}-other"})
    open_artifacts(other).make_marker()
    for settings, words in ((other, "has a different marker"), (emptied(shared), "could not be read for")):
        with host(settings, "worker") as process:
            assert process.wait(2 * LIMIT_SECONDS) == 2
        log = (shared.home.parent / "worker" / "worker.log").read_text()
        assert words in log
        assert f"BAKEHOUSE_STORE={settings.store}" in log
        assert "Set BAKEHOUSE_STORE to that store" in log


def emptied(shared: Settings) -> Settings:
    Bucket(shared).delete([each.key for each in Bucket(shared).objects("")])
    return shared
