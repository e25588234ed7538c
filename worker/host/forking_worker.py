"""What the workers of runs and of tasks share: an RQ worker that runs each job in a child process.

A child finds torch imported and warmed up.
"""

import os
import signal
import socket
from abc import ABC, abstractmethod
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
from bakehouse.runs.patience import limit_patience
from bakehouse.runs.record import rfc3339
from bakehouse.runs.store import Store
from worker.host.jobs import ENDING_PATIENCE_SECONDS
from worker.host.owner import this_process
from worker.host.plain_job import PlainJob

# RQ waits for the next job for 15 s less than this; that must be below the 10 s after which a Redis client times out.
WORKER_TTL = 20
STATUS_INTERVAL_SECONDS = 4.0

Status = Literal["idle", "busy"]


class ForkingWorker(Worker, ABC):
    """Forks one child per job, which does not outlive it, and publishes a status with its heartbeats."""

    def __init__(self, store: Store, name: str, queue: str, job_class: type[PlainJob], redis: Redis) -> None:
        self.store = store
        self.process = this_process()
        self.host = socket.gethostname()
        self.started_at = rfc3339(store.time_ms())
        self.child_status = 0
        self.last_status: Status | None = None
        self.last_published = 0.0
        super().__init__(
            [Queue(queue, connection=redis, serializer=JSONSerializer, job_class=job_class)],
            name=name,
            connection=redis,
            job_class=job_class,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL,
            job_monitoring_interval=5,
            maintenance_interval=60,
        )

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Sends RQ's heartbeat, and publishes the status if it has changed or is due again."""
        # RQ sends heartbeats in the child as well, and always with others of its commands.
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
        status: Status = "busy" if self.horse_pid else "idle"
        is_due = status != self.last_status or monotonic() - self.last_published > STATUS_INTERVAL_SECONDS
        if self.is_horse or not is_due:
            return
        if pipeline is None:
            # Redis waits for the disk at each write: three times if the commands were sent one by one. A job that
            # arrives soon after a heartbeat does not wait for another one.
            with self.connection.pipeline(transaction=False) as own:
                super().heartbeat(timeout, own)
                own.execute()
        self.publish(status)

    def publish(self, status: Status) -> None:
        """Publishes the status for `GET /v1/workers`."""
        self.last_status = status
        self.last_published = monotonic()
        self.put_status(
            {
                "name": self.name,
                "host": self.host,
                "pid": os.getpid(),
                "status": status,
                "started_at": self.started_at,
                "seen_at": rfc3339(self.store.now()),
            }
        )

    @abstractmethod
    def put_status(self, info: JsonObject) -> None:
        """Writes a status to Redis."""

    def wait_for_horse(self) -> Any:
        """Waits for the child, and remembers how it ended."""
        ended = super().wait_for_horse()
        self.child_status = ended[1] or 0
        return ended

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """Runs the job, in the child, which must not outlive this process: another one would get its work."""
        die_with_parent(self.pid or 0, signal.SIGKILL)
        super().main_work_horse(job, queue)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Sends RQ's heartbeats for a running job every few seconds."""
        # Once this worker is to end, an outage of Redis must not end it before its child.
        if not self._stop_requested:
            super().maintain_heartbeats(job, execution)

    def handle_warm_shutdown_request(self) -> None:
        """Ends any long wait for Redis; the present job is not interrupted."""
        limit_patience(self.connection, ENDING_PATIENCE_SECONDS)

    def set_shutdown_requested_date(self) -> None:
        """Does not write the date to Redis, which may be away: nothing reads it, and the child needs this worker."""
