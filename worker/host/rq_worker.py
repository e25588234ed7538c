"""An RQ worker whose forked children find torch imported and warmed.

A child of it takes its first step 25 ms after the ring; one that imports torch itself, 1,600.
"""

import os
import signal
import socket
from functools import cached_property
from time import monotonic
from typing import Any

from redis import Redis
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from bakehouse.exec_with_parent import die_with_parent
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import Lost
from bakehouse.runs.queue import QUEUE, WakeQueue
from bakehouse.runs.record import rfc3339
from bakehouse.runs.run import Worker as WorkerInfo
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from worker.host.jobs import train_next
from worker.host.owner import boot_id

# RQ asks again after 15 s less than this; Redis clients give up a silent answer after 10.
WORKER_TTL = 20
HEARTBEAT_TTL = 60.0
TELL_SECONDS = 4.0


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


class PreforkWorker(Worker):
    """Forks a child a ring, tells about itself, gives back what a dead child owned."""

    def __init__(self, settings: Settings, name: str, about: dict[str, Any], redis: Redis) -> None:
        self.store = Store(redis, lease_seconds=settings.lease_seconds)
        self.wake_queue, self.artifacts = WakeQueue(redis), Artifacts(settings.artifacts)
        self.about = about
        self.started = rfc3339(self.store.time_ms())
        self.told: tuple[str, float] = ("", 0.0)
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
        status = "busy" if self.horse_pid else "idle"
        if not self.is_horse and (status != self.told[0] or monotonic() - self.told[1] > TELL_SECONDS):
            self.tell(status)

    def tell(self, status: str) -> None:
        """What this worker is and does."""
        self.told = (status, monotonic())
        now = self.store.now()
        run_id = self.owned_by_child() if status == "busy" else None
        info = {**self.about, "status": status, "run_id": run_id, "started_at": self.started, "seen_at": rfc3339(now)}
        self.store.put_worker(
            WorkerInfo.model_validate({"name": self.name, "host": self.host, "pid": os.getpid(), **info}), HEARTBEAT_TTL
        )

    def execute_job(self, job: Job, queue: Queue) -> None:
        """A child for the ring; what it still owns when it has ended, it has lost."""
        super().execute_job(job, queue)
        if self.give_back():
            self.wake_queue.ring()

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

    def give_back(self) -> bool:
        """Whatever the child's exit code was; whether there was anything."""
        lost = self.runs_of(self.child)
        for run_id, nonce in lost.items():
            if self.store.command(run_id, Lost(actor="worker", nonce=nonce)).is_over:
                self.artifacts.keep_resumes(run_id, 0)
        return bool(lost)

    def runs_of(self, pid: int) -> dict[str, str]:
        """Runs owned by a child of this worker, with the nonces."""
        owners = {record.id: record.owner for record in self.store.owned()}
        here = (self.host, boot_id(), pid)
        return {
            run_id: owner.nonce
            for run_id, owner in owners.items()
            if owner and (owner.host, owner.boot_id, owner.pid) == here
        }

    def handle_warm_shutdown_request(self) -> None:
        """SIGTERM: the child saves its state and gives its run back."""
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)


def serve(settings: Settings, name: str, about: dict[str, Any]) -> None:
    """Works until SIGTERM, which lets the child save its state first; then nobody counts on this worker."""
    if settings.redis_url is None:
        raise SystemExit("BAKEHOUSE_REDIS_URL is not set: a worker needs to know its Redis")
    Ring.memory_bytes = about["memory_bytes"]
    worker = PreforkWorker(settings, name, about, connect(settings.redis_url, patient=True))
    worker.work(logging_level="WARNING")
    worker.store.remove_worker(name)
