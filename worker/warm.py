"""`python -m worker.warm`: an RQ worker whose forked children find torch imported and warmed.

A child of it takes its first step 25 ms after the ring; one that imports torch itself, 1,600. The parent uses
one thread and no GPU: after a second thread, or CUDA, children hang.
"""

import argparse
import json
import os
import signal
import socket
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from redis import Redis
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

import bakehouse.data
from bakehouse.data.folders import read_card
from bakehouse.plan.plan import make_plan
from bakehouse.recipe.read import read_recipe
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import Lost
from bakehouse.runs.record import rfc3339
from bakehouse.runs.ring import QUEUE, Doorbell
from bakehouse.runs.run import Worker as WorkerInfo
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from worker.dataset import load_data
from worker.device import device_class, device_memory, open_device, versions
from worker.identity import die_with_parent
from worker.jobs import train_next
from worker.training import Training

DIGITS = Path(bakehouse.data.__file__).parent / "builtin" / "digits"
WARM_UP = {
    "dataset": "digits",
    "architecture": {"type": "cnn", "channels": [4], "hidden": [8]},
    "norm": "batch_norm",
    "dropout": 0.5,
}
# RQ asks again after 15 s less than this; Redis clients give up a silent answer after 10.
WORKER_TTL = 20
HEARTBEAT_TTL = 60.0


class Ring(Job):
    """A job that is only a doorbell: whatever Redis says it is, it calls one function, and nothing else."""

    memory_bytes: int | None = None
    """Of the worker's device, once that is known."""

    def restore(self, raw_data: Any) -> Any:
        """Forgets every other function that the job's hash may name."""
        restored = super().restore(raw_data)
        self._success_callback_name = self._failure_callback_name = self._stopped_callback_name = None
        self.webhooks = []
        return restored

    def _execute(self) -> None:
        train_next(self.memory_bytes)


class WarmWorker(Worker):
    """Forks a child a ring, tells about itself, gives back what a dead child owned."""

    def __init__(self, settings: Settings, name: str, about: dict[str, Any], redis: Redis) -> None:
        self.store = Store(redis, lease_seconds=settings.lease_seconds)
        self.doorbell, self.artifacts = Doorbell(redis), Artifacts(settings.artifacts)
        self.about = about
        self.started = rfc3339(self.store.time_ms())
        self.status = "starting"
        queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer, job_class=Ring)
        super().__init__(
            [queue],
            name=name,
            connection=redis,
            job_class=Ring,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL,
            job_monitoring_interval=5,
            maintenance_interval=60,
        )

    @cached_property
    def host(self) -> str:
        """Of this machine."""
        return socket.gethostname()

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        """RQ's own, and ours for `GET /v1/workers`; RQ lets children beat too."""
        super().heartbeat(*args, **kwargs)
        if not self.is_horse:
            self.tell("busy" if self.horse_pid else "idle")

    def tell(self, status: str) -> None:
        """What this worker is and does."""
        now = self.store.now()
        run_id = self.owned_by_child() if status == "busy" else None
        info = {**self.about, "status": status, "run_id": run_id, "started_at": self.started, "seen_at": rfc3339(now)}
        self.store.put_worker(
            WorkerInfo.model_validate({"name": self.name, "host": self.host, "pid": os.getpid(), **info}), HEARTBEAT_TTL
        )

    def execute_job(self, job: Job, queue: Queue) -> None:
        """A child for the ring; what it still owns when it has ended, it has lost."""
        super().execute_job(job, queue)
        self.give_back()
        if self.store.claimable_count() and not self._stop_requested:
            self.doorbell.ring()

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Remembers whose runs to give back. SIGTERM waits until the child has a handler for it."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        super().fork_work_horse(job, queue)
        self.child = self.horse_pid
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        if self._stop_requested:
            self.handle_warm_shutdown_request()
        self.tell("busy")

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """In the child: it must not outlive its parent, who would give its run to another."""
        die_with_parent(self.pid or 0, signal.SIGKILL)
        super().main_work_horse(job, queue)

    def owned_by_child(self) -> str | None:
        """The run of the present child, if it has claimed one."""
        return next(iter(self.runs_of(self.horse_pid)), None)

    def give_back(self) -> None:
        """Whatever the child's exit code was."""
        for run_id, nonce in self.runs_of(self.child).items():
            if self.store.command(run_id, Lost(actor="worker", nonce=nonce)).is_over:
                self.artifacts.keep_resumes(run_id, 0)

    def runs_of(self, pid: int) -> dict[str, str]:
        """Runs owned by a child of this worker, with the nonces."""
        records = (self.store.record(run_id) for run_id in self.store.owned())
        owners = {record.id: record.owner for record in records}
        return {
            run_id: owner.nonce
            for run_id, owner in owners.items()
            if owner and (owner.host, owner.pid) == (self.host, pid)
        }

    def handle_warm_shutdown_request(self) -> None:
        """SIGTERM: the child saves its state and gives its run back."""
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)


def warm_up() -> None:
    """One step of a small model: torch builds on first use what every child would build again."""
    torch.set_num_threads(1)
    plan = make_plan(read_recipe(WARM_UP), read_card(DIGITS))
    device = torch.device("cpu")
    training = Training(plan, load_data(plan, DIGITS, device), device)
    next(training.run())


def describe(settings: Settings) -> dict[str, Any]:
    """The device as a child sees it: this process must never open a GPU."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        device = open_device(settings)
        memory = device_memory(device, settings)
        about = {"device": device_class(device), "memory_bytes": memory, "versions": versions(device)}
        os.write(writing, json.dumps(about).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    about = json.loads(text)
    assert isinstance(about, dict)
    return about


def main() -> None:
    """Until SIGTERM, which lets the child save its state first."""
    parser = argparse.ArgumentParser(prog="python -m worker.warm", description="One worker process.")
    parser.add_argument("name")
    parser.add_argument("--parent", type=int, help="end when this process does")
    arguments = parser.parse_args()
    if arguments.parent:
        die_with_parent(arguments.parent, signal.SIGTERM)
    settings = Settings()
    if settings.redis_url is None:
        raise SystemExit("BAKEHOUSE_REDIS_URL is not set: a worker needs to know its Redis")
    warm_up()
    about = describe(settings)
    Ring.memory_bytes = about["memory_bytes"]
    worker = WarmWorker(settings, arguments.name, about, connect(settings.redis_url, patient=True))
    worker.work(logging_level="WARNING")


if __name__ == "__main__":
    main()
