"""A plain HTTP client of the running service."""

from collections.abc import Iterator

import httpx
import pytest

from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from tests.processes import wait_until
from tests.running_service import RunningService
from tests.running_worker import start_prefork


@pytest.fixture
def api(service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def task_process(service: RunningService) -> Iterator[int]:
    """The pid of a task process of the running service, without a worker beside it."""
    settings = Settings(home=service.home, redis_url=service.redis_url, workers=0)
    store = Store(connect(service.redis_url, patient=True))
    prefork = start_prefork(settings)
    wait_until(store.task_processes)
    yield store.task_processes()[0].pid
    prefork.terminate()
    prefork.wait()
