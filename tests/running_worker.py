"""One real worker process beside its own Redis, without a service."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from bakehouse.cli.home.redis_server import redis_server
from bakehouse.processes import spawn
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.record import Record
from bakehouse.runs.status import Status
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from tests.processes import LIMIT_SECONDS, wait_until, workers_of
from tests.stored_runs import Document, store_run, wait_for_status


@dataclass(frozen=True)
class RunningWorker:
    """A prefork process, the worker that it has started, and the Redis in which tests store runs."""

    settings: Settings
    redis: Redis
    store: Store
    wake_queue: WakeQueue
    artifacts: Artifacts
    prefork: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        """The process that RQ knows as the worker."""
        (pid,) = workers_of(self.prefork.pid)
        return pid

    def submit(self, recipe: Document) -> str:
        """Stores a run and wakes a worker for it; returns its id."""
        run_id = self.store_run(recipe)
        self.wake_queue.wake()
        return run_id

    def store_run(self, recipe: Document) -> str:
        """Stores a run and wakes no worker; returns its id."""
        return store_run(self.store, self.settings, recipe)

    def wait_for(self, run_id: str, *statuses: Status) -> Record:
        """Returns the record once the run has one of the statuses."""
        return wait_for_status(self.store, run_id, *statuses)


@contextmanager
def run_worker(folder: Path, **environment: object) -> Iterator[RunningWorker]:
    """Runs a worker that is ready for jobs for the length of the block."""
    with redis_server(folder) as redis_url:
        settings = Settings.model_validate({"home": folder, "workers": 1, **environment, "redis_url": redis_url})
        redis = connect(redis_url, patient=True)
        prefork = start_prefork(settings)
        worker = RunningWorker(settings, redis, Store(redis), WakeQueue(redis), Artifacts(settings.artifacts), prefork)
        try:
            wait_until(lambda: [listed for listed in worker.store.workers() if listed.status == "idle"])
            yield worker
        finally:
            prefork.terminate()
            prefork.wait(LIMIT_SECONDS)


def start_prefork(settings: Settings) -> "subprocess.Popen[bytes]":
    """Starts `python -m worker.host.prefork` with these settings."""
    chosen = {f"BAKEHOUSE_{key.upper()}": str(value) for key, value in settings.model_dump(exclude_none=True).items()}
    return spawn([sys.executable, "-P", "-m", "worker.host.prefork"], environment={**os.environ, **chosen})
