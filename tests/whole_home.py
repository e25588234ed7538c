"""A whole home in processes of its own, for tests that kill parts of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from redis import Redis

from bakehouse.cli.home.redis_server import redis_server
from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, prepare
from bakehouse.processes import spawn
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.record import Owner, Record, new_run
from bakehouse.runs.run import Event, Status
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from service.submit import StoredRuns

Document = dict[str, Any]
T = TypeVar("T")

LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.02
LEASE_SECONDS = 4
UP = """
import typer
from bakehouse.cli.home.home import run_home
from bakehouse.settings import Settings
typer.run(lambda: run_home(Settings(), on_ready=lambda home: print(home.url, home.redis_url, flush=True)))
"""

# About five seconds on one core: several bests, several resume states, and an early stop.
REFERENCE: Document = {
    "dataset": "digits",
    "architecture": {"type": "mlp", "hidden": [256, 256]},
    "dropout": 0.5,
    "optimizer": {"type": "adam", "lr": 1e-4},
    "batch_size": 32,
    "epochs": 2000,
    "early_stopping": 20,
}
ENDLESS: Document = {**REFERENCE, "epochs": 100_000, "early_stopping": "none"}
SHORT: Document = {"dataset": "iris", "architecture": "linear", "epochs": 2}


def wait_until(look: Callable[[], T | None]) -> T:
    """The first answer that is not empty; the limit is only for a test that would hang."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(POLL_SECONDS)
    return found


@dataclass
class Home:
    """`bakehouse up` on one folder; may be ended and started again."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Returns when runs are accepted; workers may not be there yet."""
        chosen = {"BAKEHOUSE_HOME": str(self.folder), "BAKEHOUSE_PORT": "0"} | self.environment
        self.process = subprocess.Popen(
            [sys.executable, "-c", UP], stdout=subprocess.PIPE, text=True, env={**os.environ, **chosen}
        )
        assert self.process.stdout is not None
        self.url, self.redis_url = self.process.stdout.readline().split()
        self.store = Store(connect(self.redis_url, patient=True))
        self.artifacts = Artifacts(self.folder / "artifacts")

    def end(self) -> int:
        """In order; the exit code."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        """The exit code, once it has ended."""
        code = self.process.wait(LIMIT_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def post(self, path: str, document: Document | None = None) -> Any:
        """The JSON of the answer."""
        answer = httpx.post(f"{self.url}{path}", json=document, timeout=LIMIT_SECONDS, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def get(self, path: str) -> httpx.Response:
        """The answer, wherever it leads to."""
        answer = httpx.get(f"{self.url}{path}", timeout=LIMIT_SECONDS, follow_redirects=True, trust_env=False)
        answer.raise_for_status()
        return answer

    def submit(self, recipe: Document) -> str:
        """The id of the new run."""
        return str(self.post("/v1/runs", recipe)["id"])

    def wait_for(self, run_id: str, *statuses: Status) -> Record:
        """The record, once the run has one of the statuses."""
        return wait_for(self.store, run_id, *statuses)

    def wait_for_resume_state(self, run_id: str) -> Owner:
        """The owner of a run that has something to go on from."""

        def look() -> Owner | None:
            record = self.store.record(run_id)
            return record.owner if record.resume_step > 0 else None

        return wait_until(look)

    def pids(self) -> "Pids":
        """Of the parts, once there is a worker."""
        supervisor = wait_until(lambda: self.child("worker.main"))
        (prefork,) = wait_until(lambda: children_of(supervisor))
        workers = wait_until(lambda: children_of(prefork))
        return Pids(self.child("service"), supervisor, prefork, workers, redis_pid(self.redis_url))

    def child(self, module: str) -> int:
        """The child of `up` that runs a module; 0 if there is none at the moment."""
        found = (pid for pid in children_of(self.process.pid) if command_of(pid)[-2:] == ["-m", module])
        return next(found, 0)

    def all_pids(self) -> list[int]:
        """Every process of it, the parents first."""
        return family(self.process.pid)


@dataclass(frozen=True)
class Pids:
    """Which processes a home has."""

    service: int
    supervisor: int
    prefork: int
    workers: list[int]
    redis: int


@contextmanager
def home_up(folder: Path, **environment: object) -> Iterator[Home]:
    """A home with a short lease for the length of the block; nothing of it is left after."""
    lease = {"BAKEHOUSE_LEASE_SECONDS": str(LEASE_SECONDS)}
    home = Home(folder, lease | {f"BAKEHOUSE_{name.upper()}": str(value) for name, value in environment.items()})
    home.start()
    try:
        yield home
    finally:
        if home.process.returncode is None:
            home.end()


def wait_for(store: Store, run_id: str, *statuses: Status) -> Record:
    """The record, once the run has one of the statuses."""

    def look() -> Record | None:
        record = store.record(run_id)
        return record if record.status in statuses else None

    return wait_until(look)


def events_of(store: Store, run_id: str) -> list[Event]:
    """The run's whole log."""
    return store.events(run_id, limit=1_000_000)


def redis_pid(url: str) -> int:
    """The server's process."""
    with Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def family(pid: int) -> list[int]:
    """A process and all that come from it."""
    return [pid, *(below for child in children_of(pid) for below in family(child))]


def children_of(pid: int) -> list[int]:
    """The processes that a process has started with its first thread or any other."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def command_of(pid: int) -> list[str]:
    """The words of its command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_running(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(*pids: int) -> None:
    """At once; those that have ended already do not matter."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


@dataclass(frozen=True)
class Bakery:
    """One worker process beside a Redis of its own; runs are stored without a service."""

    settings: Settings
    redis: Redis
    store: Store
    wake_queue: WakeQueue
    artifacts: Artifacts
    process: "subprocess.Popen[bytes]"
    """The parent of the worker."""

    @property
    def worker(self) -> int:
        """The process that RQ knows."""
        (pid,) = children_of(self.process.pid)
        return pid

    def bake(self, recipe: Document) -> str:
        """The id of a new run for which a worker is woken."""
        run_id = self.put(recipe)
        self.wake_queue.wake()
        return run_id

    def put(self, recipe: Document) -> str:
        """The id of a new run for which no worker is woken."""
        return put(self.store, self.settings, recipe)

    def wait_for(self, run_id: str, *statuses: Status) -> Record:
        """The record, once the run has one of the statuses."""
        return wait_for(self.store, run_id, *statuses)


@contextmanager
def worker_up(folder: Path, **environment: object) -> Iterator[Bakery]:
    """A warm worker for the length of the block."""
    chosen = {"home": folder} | environment
    with redis_server(folder) as redis_url:
        settings = Settings.model_validate(chosen | {"redis_url": redis_url})
        redis = connect(redis_url, patient=True)
        process = start_prefork(settings)
        bakery = Bakery(settings, redis, Store(redis), WakeQueue(redis), Artifacts(settings.artifacts), process)
        try:
            wait_until(lambda: [worker for worker in bakery.store.workers() if worker.status == "idle"])
            yield bakery
        finally:
            process.terminate()
            process.wait(LIMIT_SECONDS)


def start_prefork(settings: Settings) -> "subprocess.Popen[bytes]":
    """`python -m worker.host.prefork` with these settings."""
    chosen = {f"BAKEHOUSE_{key.upper()}": str(value) for key, value in settings.model_dump(exclude_none=True).items()}
    return spawn([sys.executable, "-P", "-m", "worker.host.prefork"], environment={**os.environ, **chosen})


def put(store: Store, settings: Settings, recipe: Document) -> str:
    """Stores a run as the service does, without waking a worker; its id."""
    limits, saved = Limits(parameters=10**9), StoredRuns(store)
    plan = prepare(recipe, Catalog(settings), limits, saved=saved, wait_seconds=LIMIT_SECONDS).plan
    run = new_run(plan.recipe, advice=(), steps=plan.steps, dataset_fingerprint=plan.card.fingerprint)
    return store.create(run).run.id
