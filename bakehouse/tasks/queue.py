"""The RQ queue of short tasks, which task processes carry out beside the training workers.

A task is the name of its kind and a JSON document. Its answer is a list in Redis with one item, which expires.
"""

from typing import Any

from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from bakehouse.model import JsonObject
from bakehouse.runs.keys import Keys
from bakehouse.runs.queue import OLDEST_REDIS
from bakehouse.runs.wire import text
from bakehouse.tasks.answers import TaskFailure, encode_failure
from bakehouse.tasks.ensembles import KIND as ENSEMBLE
from bakehouse.tasks.ensembles import SECONDS as ENSEMBLE_SECONDS

QUEUE = "tasks"
# Only a label for RQ's own tools: task processes call this function whatever a job names.
RUN_TASK = "worker.host.task_worker.run_task"
TASK_SECONDS = 8
"""Limit on the time of most tasks."""
SPARE_SECONDS = 2
"""Time that a client waits for an answer beyond the limit of its task."""
ANSWER_SECONDS = 30
"""Time after which an answer that nobody has collected expires."""
MAX_WAITING = 32
"""Limit on the tasks that wait in the queue."""
MAX_ANSWER_BYTES = 8 << 20


def seconds_of(kind: str) -> int:
    """Returns the limit on the time of a task; the kernel then ends its process."""
    return ENSEMBLE_SECONDS if kind == ENSEMBLE else TASK_SECONDS


def wait_of(kind: str) -> int:
    """Returns the time that a client waits for an answer; a task that nobody has taken by then is dropped."""
    return seconds_of(kind) + SPARE_SECONDS


class TaskQueue:
    """The tasks that wait for a task process of one Redis. Can be shared between threads."""

    def __init__(self, redis: Redis, tenant: str = "local") -> None:
        self._redis = redis
        self._keys = Keys(tenant)
        self._queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)
        self._queue.redis_server_version = OLDEST_REDIS

    @property
    def key(self) -> str:
        """The key of the list of waiting tasks."""
        return str(self._queue.key)

    def add_to(self, pipeline: Any, task_id: str, kind: str, document: JsonObject) -> None:
        """Adds a task to the queue, in a pipeline of either kind of client."""
        composed = self._redis.pipeline()
        self._queue.enqueue_call(
            RUN_TASK,
            args=(kind, document),
            job_id=task_id,
            timeout=seconds_of(kind),
            result_ttl=ANSWER_SECONDS,
            failure_ttl=ANSWER_SECONDS,
            description=kind,
            pipeline=composed,
        )
        # RQ passes over a job that has expired, and gives it a new time to live when it ends.
        composed.expire(Job.key_for(task_id), wait_of(kind))
        for arguments, _ in composed.command_stack:
            pipeline.execute_command(*arguments)

    def drop_in(self, pipeline: Any, task_id: str) -> None:
        """Removes a task that no task process has taken, in a pipeline of either kind of client."""
        pipeline.execute_command("LREM", self.key, 1, task_id)
        pipeline.execute_command("DEL", Job.key_for(task_id))

    def requeue_taken(self) -> None:
        """Queues again, in their order, the tasks that were taken and not begun."""
        while self._redis.lmove(self._queue.intermediate_queue_key, self.key, "RIGHT", "LEFT") is not None:
            pass

    def answer(self, task_id: str, answer: bytes) -> None:
        """Gives the answer to a task."""
        if len(answer) > MAX_ANSWER_BYTES:
            message = f"the result has more than {MAX_ANSWER_BYTES} bytes"
            answer = encode_failure(TaskFailure(code="internal", message=message))
        key = self._keys.answer(task_id)
        with self._redis.pipeline() as pipeline:
            pipeline.rpush(key, answer)
            pipeline.expire(key, ANSWER_SECONDS)
            pipeline.execute()

    def note_begin(self, process: str, task_id: str, *, seconds: int = TASK_SECONDS) -> None:
        """Notes the task that a task process begins."""
        self._redis.set(self._keys.task_of(process), task_id, ex=seconds + ANSWER_SECONDS)

    def note_end(self, process: str) -> str | None:
        """Forgets the task that a task process has begun, and returns it; None if there is none."""
        task_id = self._redis.getdel(self._keys.task_of(process))
        return None if task_id is None else text(task_id)
