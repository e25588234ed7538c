"""An RQ worker whose forked children find torch imported and warmed up.

Such a child takes its first step 25 ms after the wake-up; a child that imported torch itself would need 1,600 ms.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import cached_property, partial
from time import monotonic
from typing import Any, Literal

from redis import Redis
from redis.client import Pipeline
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from bakehouse.exec_with_parent import die_with_parent
from bakehouse.model import JsonObject
from bakehouse.processes import STOPPED_SECONDS, is_stopped
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import OwnerLost
from bakehouse.runs.patience import OUTAGE, limit_patience
from bakehouse.runs.queue import QUEUE, WakeQueue
from bakehouse.runs.record import rfc3339
from bakehouse.runs.run import Worker as WorkerInfo
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from worker.host.attempt_output import note_death
from worker.host.jobs import ENDING_PATIENCE_SECONDS, redis_url_of, train_next
from worker.host.owner import boot_id, this_process
from worker.host.plain_job import PlainJob

# RQ waits for the next job for 15 s less than this; that must be below the 10 s after which a Redis client times out.
WORKER_TTL = 20
HEARTBEAT_TTL_SECONDS = 60.0
STATUS_INTERVAL_SECONDS = 4.0
# A child without a run reads the queue or has finished. Planning ten thousand runs that do not fit takes minutes.
CLAIM_SECONDS = 600.0

Status = Literal["idle", "busy"]


class WakeJob(PlainJob):
    """A job that only wakes a worker: it always calls `train_next`, whatever function its hash in Redis names."""

    train_next: Callable[[Job], None]
    """The function `train_next` with all arguments but the job. The worker sets it because RQ makes the jobs itself."""

    def _execute(self) -> None:
        WakeJob.train_next(self)


class PreforkWorker(Worker):
    """Forks one child per job, publishes the worker's status, and releases the runs that a dead child owned."""

    def __init__(self, settings: Settings, name: str, device_info: JsonObject, redis: Redis) -> None:
        self.store = Store(redis, lease_seconds=settings.lease_seconds)
        self.wake_queue = WakeQueue(redis)
        self.artifacts = Artifacts(settings.artifacts)
        self.device_info = device_info
        self.started_at = rfc3339(self.store.time_ms())
        self.process = this_process()
        self.child_status = 0
        self.last_status: Status | None = None
        self.last_published = 0.0
        queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer, job_class=WakeJob)
        super().__init__(
            [queue],
            name=name,
            connection=redis,
            job_class=WakeJob,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL,
            job_monitoring_interval=5,
            maintenance_interval=60,
        )

    @cached_property
    def host(self) -> str:
        """This machine's name."""
        return socket.gethostname()

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Sends RQ's heartbeat, and publishes the status for `GET /v1/workers` if it has changed or is due again."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
        else:
            # RQ would wait for the disk three times, once for each command.
            with self.connection.pipeline(transaction=False) as own:
                super().heartbeat(timeout, own)
                own.execute()
        status: Status = "busy" if self.horse_pid else "idle"
        is_due = status != self.last_status or monotonic() - self.last_published > STATUS_INTERVAL_SECONDS
        # RQ sends heartbeats in the child as well.
        if is_due and not self.is_horse:
            self.publish_status(status)

    def publish_status(self, status: Status) -> None:
        """Publishes the description and the status of this worker."""
        self.last_status = status
        self.last_published = monotonic()
        info = {
            **self.device_info,
            "name": self.name,
            "host": self.host,
            "pid": os.getpid(),
            "status": status,
            "run_id": self.run_of_child() if status == "busy" else None,
            "started_at": self.started_at,
            "seen_at": rfc3339(self.store.now()),
        }
        self.store.put_worker(WorkerInfo.model_validate(info), HEARTBEAT_TTL_SECONDS, process=self.process)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Runs the job in a child, then releases any run that the child still owned when it exited."""
        super().execute_job(job, queue)
        if self.release_lost_runs():
            self.wake_queue.wake()

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Forks the child and remembers its pid. SIGTERM is blocked meanwhile, until the child has a handler for it."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        super().fork_work_horse(job, queue)
        self.child = self.horse_pid
        self.child_idle_since = monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        # The shutdown was requested before there was a child to pass it on to.
        if self._stop_requested:
            self.handle_warm_shutdown_request()
        self.publish_status("busy")

    def wait_for_horse(self) -> Any:
        """Waits for the child, and remembers how it ended."""
        ended = super().wait_for_horse()
        self.child_status = ended[1] or 0
        return ended

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """Runs the job, in the child. The child must not outlive this worker: another worker would get its run."""
        die_with_parent(self.pid or 0, signal.SIGKILL)
        super().main_work_horse(job, queue)

    def run_of_child(self) -> str | None:
        """Returns the run that the present child has claimed, if any."""
        return next(iter(self.runs_of(self.horse_pid)), None)

    def release_lost_runs(self) -> bool:
        """Releases the runs that the child owned when it exited with any code; returns whether it owned any."""
        lost = self.runs_of(self.child)
        for run_id, nonce in lost.items():
            record = self.store.command(run_id, OwnerLost(actor="worker", nonce=nonce))
            note_death(self.artifacts, record, self.child_status)
            self.artifacts.clean_up_after(record)
        return bool(lost)

    def runs_of(self, pid: int) -> dict[str, str]:
        """Returns the ids of the runs that a child of this worker owns, each with the owner's nonce."""
        owners = {record.id: record.owner for record in self.store.owned()}
        process = (self.host, boot_id(), pid)
        return {
            run_id: owner.nonce
            for run_id, owner in owners.items()
            if owner and (owner.host, owner.boot_id, owner.pid) == process
        }

    def handle_warm_shutdown_request(self) -> None:
        """Passes SIGTERM on to the child, which saves its state and releases its run. Ends any long wait for Redis."""
        limit_patience(self.connection, ENDING_PATIENCE_SECONDS)
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)
            # A stopped child would otherwise not notice the first signal.
            os.kill(self.horse_pid, signal.SIGCONT)

    def set_shutdown_requested_date(self) -> None:
        """Does not write the date to Redis, which may be away: nothing reads it, and the child needs this worker."""

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Sends RQ's heartbeats for a running job every few seconds, and kills a child that hangs without a run."""
        # Once this worker is to end, an outage of Redis must not end it before its child.
        if not self._stop_requested:
            super().maintain_heartbeats(job, execution)
            self.check_child()

    def check_child(self) -> None:
        """Kills a child that was stopped, or has had no run for long; a supervisor looks after one with a run."""
        if self.run_of_child() is not None:
            self.child_idle_since = monotonic()
        idle_seconds = monotonic() - self.child_idle_since
        if idle_seconds > (STOPPED_SECONDS if is_stopped(self.horse_pid) else CLAIM_SECONDS):
            self.kill_horse()


def serve(settings: Settings, name: str, device_info: JsonObject) -> None:
    """Runs a worker until SIGTERM, waits for its child to save its state, and removes the worker's status."""
    worker = PreforkWorker(settings, name, device_info, connect(redis_url_of(settings), patient=True))
    WakeJob.train_next = partial(train_next, settings, worker.store, worker.wake_queue, device_info["memory_bytes"])
    try:
        worker.work(logging_level="WARNING")
        worker.store.remove_worker(name)
    except OUTAGE as error:
        # Redis forgets this worker's status by itself.
        print(f"This worker ends while Redis cannot be used: {error}", file=sys.stderr, flush=True)
