"""The process that inspects uploaded data sets, beside a running service."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.running_service import ROOT, RunningService

PROGRAM = (sys.executable, "-m", "worker.host.inspector")


def start_inspector(service: RunningService) -> "subprocess.Popen[bytes]":
    """Starts an inspector with the service's Redis and folder."""
    chosen = {"BAKEHOUSE_REDIS_URL": service.redis_url, "BAKEHOUSE_HOME": str(service.home)}
    return subprocess.Popen(PROGRAM, cwd=ROOT, env={**os.environ, **chosen})


@contextmanager
def running_inspector(service: RunningService) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs an inspector for the length of the block."""
    process = start_inspector(service)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
