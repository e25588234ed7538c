"""The real service in a process: one for the whole session, with fixtures for its clients and for a fake worker."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from bakehouse.client import Client
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.store import Store, connect
from tests.fake_worker import FakeWorker

ROOT = Path(__file__).parents[1]
# A start takes a second, and many on a machine whose cores are busy.
LIMIT_SECONDS = 60
POLL_SECONDS = 0.025
LOG = "service.log"


@dataclass(frozen=True)
class RunningService:
    """The process, the address at which it listens, its folder and its Redis."""

    process: "subprocess.Popen[bytes]"
    url: str
    home: Path
    redis_url: str

    def end(self) -> int:
        """Asks the service to end; returns its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=10)


PROGRAM = (sys.executable, "-m", "service")


def start_service(
    redis_url: str, home: Path, *, program: Sequence[str] = PROGRAM, folder: Path = ROOT, **settings: str
) -> RunningService:
    """Starts a service on a free port and returns when it listens; raises with its log if it does not start."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BAKEHOUSE_")}
    chosen = {"BAKEHOUSE_REDIS_URL": redis_url, "BAKEHOUSE_HOME": str(home), "BAKEHOUSE_PORT": "0"}
    with (home / LOG).open("wb") as output:
        process = subprocess.Popen(
            program, cwd=folder, env={**inherited, **chosen, **settings}, stdout=output, stderr=output
        )
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in (home / LOG).read_text().splitlines():
            if "Uvicorn running on " in line:
                url = line.partition("Uvicorn running on ")[2].split()[0]
                return RunningService(process, url, home, redis_url)
        time.sleep(POLL_SECONDS)
    process.kill()
    process.wait()
    raise RuntimeError((home / LOG).read_text())


@pytest.fixture(scope="session")
def started_service(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One process for all tests; it must not log an exception."""
    with Redis.from_url(redis_server) as redis:
        redis.flushall()  # an earlier test may have registered the folder of another service
    service = start_service(redis_server, tmp_path_factory.mktemp("home"))
    yield service
    service.end()
    assert "Traceback" not in (service.home / LOG).read_text()


@pytest.fixture
def service(started_service: RunningService) -> RunningService:
    """The service with a Redis that holds no runs."""
    with Redis.from_url(started_service.redis_url) as redis:
        # The hub of the service follows the change stream, whose ids must not begin again.
        keys = [key for key in redis.scan_iter() if not key.endswith(b":changes")]
        if keys:
            redis.delete(*keys)
    return started_service


@pytest.fixture
def client(service: RunningService) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client


@pytest.fixture
def worker(service: RunningService) -> Iterator[FakeWorker]:
    redis = connect(service.redis_url, patient=False)
    artifacts = Artifacts(service.home / "artifacts")
    yield FakeWorker(Store(redis, artifacts=artifacts), artifacts)
    redis.close()
