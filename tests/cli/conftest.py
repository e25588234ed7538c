"""Waiting, for the tests of processes."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest


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
