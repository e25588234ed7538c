"""Fixtures for tests of several folders: a real Redis that lives as long as the session."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from redis import Redis

from tests.redis_process import socket_url, start_redis, stop_redis

pytest_plugins = ["tests.skipped_tests", "tests.running_service", "tests.scripted_server"]

# The machine decides how long an example takes, and no test is about that.
settings.register_profile("bakehouse", deadline=None)
settings.load_profile("bakehouse")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one server for the whole session."""
    folder = tmp_path_factory.mktemp("redis")
    server = start_redis(folder)
    yield socket_url(folder)
    stop_redis(server)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of an empty Redis."""
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
    return redis_server
