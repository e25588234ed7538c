"""The start of the service's process."""

import sys
from unittest.mock import Mock

import pytest

from service import server


def test_requests_wait_only_briefly_for_the_thread_that_builds_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = sys.getswitchinterval()
    intervals: list[float] = []
    monkeypatch.setattr(server, "build_models", lambda: intervals.append(sys.getswitchinterval()))
    # What the tests have made must not be exempt from garbage collection.
    monkeypatch.setattr(server, "gc", Mock())
    server.finish_start()
    assert intervals == [pytest.approx(usual / 10)]
    assert sys.getswitchinterval() == usual
