"""An RQ worker whose forked children find torch imported and warmed up.

Such a child takes its first step 25 ms after the wake-up; a child that imported torch itself would need 1,600 ms.
"""

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, NoReturn

from redis import Redis
from rq import Queue
from rq.executions import Execution
from rq.job import Job

from bakehouse.exec_with_parent import die_with_parent
from bakehouse.model import JsonObject
from bakehouse.processes import STOPPED_SECONDS, is_stopped
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.commands import OwnerLost
from bakehouse.runs.patience import OUTAGE
from bakehouse.runs.queue import QUEUE, WakeQueue
from bakehouse.runs.run import Worker as WorkerInfo
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from worker.host.attempt_output import note_death
from worker.host.forking_worker import ForkingWorker
from worker.host.jobs import redis_url_of, train_next
from worker.host.owner import boot_id
from worker.host.plain_job import PlainJob

HEARTBEAT_TTL_SECONDS = 60.0
# A child without a run reads the queue or has finished. Planning ten thousand runs that do not fit takes minutes.
CLAIM_SECONDS = 600.0
MAX_MESSAGE_BYTES = 1 << 16


class WakeJob(PlainJob):
    """A job that only wakes a worker: it always calls `train_next`, whatever function its hash in Redis names."""

    train_next: Callable[[Job], None]
    """The function `train_next` with all arguments but the job. The worker sets it because RQ makes the jobs itself."""

    def _execute(self) -> None:
        WakeJob.train_next(self)


@dataclass(frozen=True)
class Child:
    """A child that waits for a job, and this worker's end of the connection to it."""

    pid: int
    socket: socket.socket


class PreforkWorker(ForkingWorker):
    """Forks one child per job, publishes the worker's status, and releases the runs that a dead child owned."""

    def __init__(self, settings: Settings, name: str, device_info: JsonObject, redis: Redis) -> None:
        self.wake_queue = WakeQueue(redis)
        # A bucket's connections have threads, with which this process must not fork: the supervisor cleans it up.
        self.artifacts = Artifacts(settings.artifacts)
        self.device_info = device_info
        self.next_child: Child | None = None
        """The child that waits for the next job."""
        self.claims: socket.socket | None = None
        """The connection at which this worker reads which run its child has claimed, until then."""
        super().__init__(Store(redis, lease_seconds=settings.lease_seconds), name, QUEUE, WakeJob, redis)

    def put_status(self, info: JsonObject) -> None:
        """Writes the description and the status of this worker to Redis, with the run of its child."""
        run_id = self.run_of_child() if info["status"] == "busy" else None
        worker = WorkerInfo.model_validate({**self.device_info, **info, "run_id": run_id})
        self.store.put_worker(worker, HEARTBEAT_TTL_SECONDS, process=self.process)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Runs the job in a child, then releases any run that the child still owned when it exited."""
        super().execute_job(job, queue)
        # A child that was killed before it had claimed a run leaves the run to the next one.
        if self.release_lost_runs() or os.WIFSIGNALED(self.child_status):
            self.wake_queue.wake()

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Waits for a job. Its child is forked before, because that takes as long as several steps of a small model."""
        if self.next_child is None:
            self.next_child = self.fork_child()
        return super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)

    def fork_child(self) -> Child:
        """Forks a child that waits for a job. SIGTERM is blocked in the child until it has a handler for it."""
        ours, its = socket.socketpair()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        pid = os.fork()
        if pid == 0:
            ours.close()
            self.await_job(its)
        its.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        return Child(pid, ours)

    def await_job(self, worker: socket.socket) -> NoReturn:
        """Waits, in the child, until this worker names a job or ends; then runs the job."""
        self._is_horse = True
        # A signal to the group of the child, by which RQ kills it, does not reach this worker.
        os.setpgrp()
        die_with_parent(self.pid or 0, signal.SIGKILL)
        self.worker = worker
        try:
            # To connect takes a millisecond.
            self.connection.ping()
            if message := worker.recv(MAX_MESSAGE_BYTES):
                job_id, execution_id = json.loads(message)
                job = self.job_class.fetch(job_id, connection=self.connection, serializer=self.serializer)
                self.execution = Execution(execution_id, job_id, self.connection, self.name)
                self.main_work_horse(job, self.queues[0])
        except Exception:  # noqa: BLE001 - here the child ends
            traceback.print_exc()
        os._exit(1)

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Gives the job to the waiting child, which from now on is the one that RQ looks after."""
        child = self.next_child
        self.next_child = None
        if child is None or has_ended(child.pid):
            child = self.fork_child()
        assert self.execution is not None
        self._horse_pid = self.child = child.pid
        self.child_idle_since = monotonic()
        # A child that was killed just now gets no job; RQ then finds that it has ended.
        with suppress(OSError):
            child.socket.send(json.dumps([job.id, self.execution.id]).encode())
        self.claims = child.socket
        # The shutdown was requested before there was a child to pass it on to.
        if self._stop_requested:
            self.handle_warm_shutdown_request()

    def note_claim(self, run_id: str) -> None:
        """Tells this worker, from its child, which run the child has claimed."""
        self.worker.send(run_id.encode())
        # Processes that the training starts must not hold it.
        self.worker.close()

    def wait_for_horse(self) -> Any:
        """Waits for the child, and publishes its run as soon as there is one."""
        if self.claims is not None:
            run_id = ""
            # A child that was killed before it had read its job leaves a broken connection.
            with suppress(ConnectionResetError):
                run_id = self.claims.recv(MAX_MESSAGE_BYTES).decode()
            self.claims.close()
            self.claims = None
            # Without it, a worker that is to end while Redis is away would end before its child.
            with suppress(*OUTAGE):
                self.show_run(run_id)
        return super().wait_for_horse()

    def show_run(self, run_id: str) -> None:
        """Publishes that the child trains a run; the text is empty if the child has ended without one."""
        if run_id and self.execution:
            self.publish("busy")
            # RQ's own tools then show the run too.
            self.connection.hset(self.job_class.key_for(self.execution.job_id), "description", f"train {run_id}")

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
        """Passes SIGTERM on to the child, which saves its state and releases its run."""
        super().handle_warm_shutdown_request()
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)
            # A stopped child would otherwise not notice the first signal.
            os.kill(self.horse_pid, signal.SIGCONT)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Sends RQ's heartbeats, and kills a child that hangs without a run."""
        super().maintain_heartbeats(job, execution)
        if not self._stop_requested:
            self.check_child()

    def check_child(self) -> None:
        """Kills a child that was stopped, or has had no run for long; a supervisor looks after one with a run."""
        if self.run_of_child() is not None:
            self.child_idle_since = monotonic()
        idle_seconds = monotonic() - self.child_idle_since
        if idle_seconds > (STOPPED_SECONDS if is_stopped(self.horse_pid) else CLAIM_SECONDS):
            self.kill_horse()


def has_ended(child: int) -> bool:
    """Returns whether a child has ended, and collects it then."""
    return os.waitpid(child, os.WNOHANG)[0] != 0


def serve(settings: Settings, name: str, device_info: JsonObject) -> None:
    """Runs a worker until SIGTERM, waits for its child to save its state, and removes the worker's status."""
    worker = PreforkWorker(settings, name, device_info, connect(redis_url_of(settings), patient=True))
    WakeJob.train_next = partial(
        train_next, settings, worker.store, worker.wake_queue, device_info["memory_bytes"], worker.note_claim
    )
    try:
        worker.work(logging_level="WARNING")
        worker.store.remove_process(name)
    except OUTAGE as error:
        # Redis forgets this worker's status by itself.
        print(f"This worker ends while Redis cannot be used: {error}", file=sys.stderr, flush=True)
