"""A home in real processes (Redis, service, supervisor, workers), for tests that kill parts of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from redis import Redis

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.record import Owner, Record
from bakehouse.runs.status import Status
from bakehouse.runs.store import Store, connect
from tests.processes import LIMIT_SECONDS, children_of, command_of, process_tree, wait_until, workers_of
from tests.stored_runs import Document, wait_for_status

LEASE_SECONDS = 4
PROGRAM = """
import typer
from bakehouse.cli.home.home import run_home
from bakehouse.settings import Settings
typer.run(lambda: run_home(Settings(), on_ready=lambda home: print(home.url, home.redis_url, flush=True)))
"""


@dataclass(frozen=True)
class Pids:
    """The processes of a home."""

    service: int
    supervisor: int
    prefork: int
    workers: list[int]
    redis: int


@dataclass
class RunningHome:
    """`bakehouse up` on one folder; a test may end it and start it again."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Returns when runs are accepted; workers may still be starting."""
        chosen = {
            "BAKEHOUSE_HOME": str(self.folder),
            "BAKEHOUSE_PORT": "0",
            "BAKEHOUSE_WORKERS": "1",
        } | self.environment
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, env={**os.environ, **chosen}
        )
        assert self.process.stdout is not None
        self.url, self.redis_url = self.process.stdout.readline().split()
        self.store = Store(connect(self.redis_url, patient=True))
        self.artifacts = Artifacts(self.folder / "artifacts")

    def end(self) -> int:
        """Asks all processes to end; returns the exit code."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Waits until the home has ended; returns the exit code."""
        code = self.process.wait(LIMIT_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def post(self, path: str, document: Document | None = None) -> Any:
        """Returns the JSON of the response."""
        response = httpx.post(f"{self.url}{path}", json=document, timeout=LIMIT_SECONDS, trust_env=False)
        response.raise_for_status()
        return response.json()

    def get(self, path: str) -> httpx.Response:
        """Returns the response after any redirects."""
        response = httpx.get(f"{self.url}{path}", timeout=LIMIT_SECONDS, follow_redirects=True, trust_env=False)
        response.raise_for_status()
        return response

    def submit(self, recipe: Document) -> str:
        """Submits a recipe; returns the id of the new run."""
        return str(self.post("/v1/runs", recipe)["id"])

    def wait_for(self, run_id: str, *statuses: Status) -> Record:
        """Returns the record once the run has one of the statuses."""
        return wait_for_status(self.store, run_id, *statuses)

    def wait_for_resume_state(self, run_id: str) -> Owner:
        """Returns the owner of a run once the run has a state from which it can be resumed."""

        def look() -> Owner | None:
            record = self.store.record(run_id)
            return record.owner if record.resume_step > 0 else None

        return wait_until(look)

    def pids(self) -> Pids:
        """Returns the ids of all processes once a worker is running."""
        supervisor = wait_until(lambda: self.child("worker.main"))
        prefork = wait_until(lambda: child_of(supervisor, "worker.host.prefork"))
        workers = wait_until(lambda: workers_of(prefork))
        return Pids(self.child("service"), supervisor, prefork, workers, redis_pid(self.redis_url))

    def child(self, module: str) -> int:
        """The child of `bakehouse up` that runs a module; 0 if there is none at the moment."""
        return child_of(self.process.pid, module)

    def inspector(self) -> int:
        """The process that inspects uploaded data sets."""
        return wait_until(lambda: child_of(self.child("worker.main"), "worker.host.inspector"))

    def all_pids(self) -> list[int]:
        """Every process of the home, parents first."""
        return process_tree(self.process.pid)


@contextmanager
def run_home(folder: Path, **environment: object) -> Iterator[RunningHome]:
    """Runs a home with a short lease for the length of the block."""
    lease = {"BAKEHOUSE_LEASE_SECONDS": str(LEASE_SECONDS)}
    chosen = {f"BAKEHOUSE_{name.upper()}": str(value) for name, value in environment.items()}
    home = RunningHome(folder, lease | chosen)
    home.start()
    try:
        yield home
    finally:
        if home.process.returncode is None:
            home.end()


def child_of(parent: int, module: str) -> int:
    """The child of a process that runs a module; 0 if there is none at the moment."""
    return next((pid for pid in children_of(parent) if command_of(pid)[-2:] == ["-m", module]), 0)


def redis_pid(url: str) -> int:
    with Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])
