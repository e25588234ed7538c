"""Fixtures: a service in its own process, a client, and a fake worker."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.store import Store, connect
from tests.service.fake_worker import FakeWorker

ROOT = Path(__file__).parents[2]


def start_service(redis_url: str, home: Path, **settings: str) -> tuple[subprocess.Popen[bytes], str]:
    """The process and its address, once it answers."""
    log = home / "service.log"
    environment = {**os.environ, "BAKEHOUSE_REDIS_URL": redis_url, "BAKEHOUSE_HOME": str(home), "BAKEHOUSE_PORT": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service"], cwd=ROOT, env={**environment, **settings}, stdout=output, stderr=output
        )
    # A start takes a second, and many on a machine whose cores are busy.
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        lines = log.read_text().splitlines()
        running = [line for line in lines if "Uvicorn running on " in line]
        if running:
            return process, running[0].partition("Uvicorn running on ")[2].split()[0]
        if process.poll() is not None:
            break
        time.sleep(0.025)
    process.kill()
    raise RuntimeError(log.read_text())


def end(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    return process.wait(timeout=10)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def address(redis_server: str, home: Path) -> Iterator[str]:
    with Redis.from_url(redis_server) as redis:
        redis.flushall()  # it names the folder of another service
    process, address = start_service(redis_server, home)
    yield address
    end(process)
    assert "Traceback" not in (home / "service.log").read_text()


@pytest.fixture
def api(address: str, redis_server: str) -> Iterator[httpx.Client]:
    """A client of a service whose Redis holds no runs."""
    with Redis.from_url(redis_server) as redis:
        keys = [key for key in redis.scan_iter() if not key.endswith(b":changes")]
        if keys:
            redis.delete(*keys)
    with httpx.Client(base_url=address, timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def worker(redis_server: str, home: Path) -> Iterator[FakeWorker]:
    redis = connect(redis_server, patient=False)
    yield FakeWorker(Store(redis), Artifacts(home / "artifacts"))
    redis.close()
