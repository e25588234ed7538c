"""The task process: an RQ worker that carries out short tasks beside the training workers, each in a child process.

It claims no runs. Its children find torch imported and warmed up, and are limited in memory and time.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from functools import partial

from redis import Redis
from rq import Queue
from rq.job import Job

from bakehouse.model import JsonObject
from bakehouse.runs.patience import OUTAGE
from bakehouse.runs.run import TaskProcess
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from bakehouse.tasks.answers import TaskFailure, encode_failure, encode_result
from bakehouse.tasks.queue import QUEUE, TASK_SECONDS, TaskQueue
from worker.device import memory_limit
from worker.host.forking_worker import ForkingWorker
from worker.host.jobs import redis_url_of
from worker.host.plain_job import PlainJob
from worker.tasks.failures import failure_of
from worker.tasks.kinds import KINDS

HEARTBEAT_TTL_SECONDS = 15.0
MEMORY_BYTES = 2 << 30
"""Limit on the private memory of a task, including what its process has when it begins."""


class TaskJob(PlainJob):
    """A job whose arguments are the kind of a task and its document."""

    run_task: Callable[[Job], None]
    """The function `run_task` with all arguments but the job. The worker sets it because RQ makes the jobs itself."""

    def _execute(self) -> None:
        TaskJob.run_task(self)


class TaskWorker(ForkingWorker):
    """Forks one child per task, publishes its own status, and answers for a child that has died."""

    def __init__(self, name: str, redis: Redis) -> None:
        self.task_queue = TaskQueue(redis)
        # RQ remembers the names of dead workers for a while, so each process gets a new name.
        super().__init__(Store(redis), f"{name}-{os.getpid()}", QUEUE, TaskJob, redis)
        self.place = name

    def take_over(self) -> None:
        """Answers the task that the process before this one had begun when it was killed, and queues again what had
        been given to it. Another machine may then carry a task out twice, which harms nobody."""
        task_id = self.task_queue.note_end(self.place)
        if task_id is not None:
            self.fail(task_id, TaskFailure(code="interrupted", message="the task process was killed"))
        self.task_queue.requeue_taken()

    def put_status(self, info: JsonObject) -> None:
        """Writes the status of this task process to Redis."""
        self.store.put_task_process(TaskProcess.model_validate(info), HEARTBEAT_TTL_SECONDS, process=self.process)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Runs the task in a child, then answers for the child if it was killed."""
        seconds = round(job.timeout or TASK_SECONDS)
        self.task_queue.note_begin(self.place, job.id, seconds=seconds)
        super().execute_job(job, queue)
        if self.child_status != 0:
            self.fail(job.id, failure_of_child(self.child_status, seconds=seconds))
        self.task_queue.note_end(self.place)

    def fail(self, task_id: str, failure: TaskFailure) -> None:
        """Answers a task that has no result."""
        self.task_queue.answer(task_id, encode_failure(failure))


def run_task(settings: Settings, task_queue: TaskQueue, job: Job) -> None:
    """Carries out a task, and gives its answer."""
    # RQ has set a timer that would raise an exception, for which code in a library may not listen: the kernel ends this
    # process instead.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    limit_resources(settings)
    try:
        kind, document = job.args
        answer = encode_result(KINDS[kind](settings, document))
    except Exception as error:  # noqa: BLE001 - here a task ends
        answer = encode_failure(failure_of(error))
    task_queue.answer(job.id, answer)


def limit_resources(settings: Settings) -> None:
    """Limits the memory of this process. An allocation beyond the limit raises an error."""
    limit = min(MEMORY_BYTES, memory_limit(settings))
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    # A core dump would leave the user's data on the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def failure_of_child(status: int, *, seconds: int) -> TaskFailure:
    """Returns the failure of a task whose process has ended with this status of `os.waitpid`."""
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGALRM:
        return TaskFailure(code="timeout", message=f"the task took more than {seconds} s")
    return TaskFailure(code="interrupted", message=f"the process of the task has ended with code {code}")


def serve_tasks(settings: Settings, name: str) -> None:
    """Carries out tasks until SIGTERM, and removes the status of this process. `name` is that of its place on this
    machine, which the processes that replace it keep."""
    worker = TaskWorker(name, connect(redis_url_of(settings), patient=True))
    TaskJob.run_task = partial(run_task, settings, worker.task_queue)
    try:
        worker.take_over()
        worker.work(logging_level="WARNING")
        worker.store.remove_process(worker.name)
    except OUTAGE as error:
        # Redis forgets this process's status by itself.
        print(f"This task process ends while Redis cannot be used: {error}", file=sys.stderr, flush=True)
