from collections.abc import Iterator

import pytest
from redis import Redis

from bakehouse.runs.store import Store, connect


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url, patient=False) as client:
        yield client


@pytest.fixture
def store(redis: Redis) -> Store:
    return Store(redis)
