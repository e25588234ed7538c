"""A plain HTTP client of the running service."""

from collections.abc import Iterator

import httpx
import pytest

from tests.running_service import RunningService


@pytest.fixture
def api(service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=10, trust_env=False) as client:
        yield client
