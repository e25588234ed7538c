"""Has short tasks carried out by task processes, and waits for their answers."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import assert_never

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from starlette.requests import ClientDisconnect

from bakehouse.data.catalog import RETRY_AFTER_SECONDS
from bakehouse.data.errors import DatasetNotReady
from bakehouse.experiments.errors import NoEnsemble
from bakehouse.model import JsonObject
from bakehouse.recipe.problems import MalformedJson, RecipeInvalid
from bakehouse.runs.errors import StorageUnavailable
from bakehouse.runs.keys import Keys
from bakehouse.tasks.answers import TaskFailed, TaskFailure, decode
from bakehouse.tasks.queue import MAX_WAITING, TaskQueue, wait_of
from service.errors import CheckpointUnusable, InvalidRequest
from service.task_errors import NoTaskProcess, TaskInternal, TaskInterrupted, TaskOutOfMemory, TaskTimeout, TooManyTasks

IsGone = Callable[[], Awaitable[bool]]
"""Returns whether the client has closed its connection."""
# A client that has gone is noticed after this time.
LOOK_SECONDS = 0.5


def connect_for_answers(url: str) -> Redis:
    """Returns a client that waits in Redis for answers, which are bytes. It tries each call twice."""
    once_more = Retry(ConstantBackoff(0.1), retries=1)
    return Redis.from_url(url, retry=once_more, socket_timeout=LOOK_SECONDS + 1.0, socket_connect_timeout=0.6)


class Tasks:
    """The short tasks of one tenant. All calls come from one event loop."""

    def __init__(self, redis: Redis, queue: TaskQueue, tenant: str = "local") -> None:
        self._redis = redis
        self._queue = queue
        self._keys = Keys(tenant)

    async def run(self, kind: str, document: JsonObject, *, is_gone: IsGone) -> bytes:
        """Returns the result of a task. Raises the error of the task, or why it could not be carried out."""
        await self._check_queue()
        task_id = secrets.token_hex(16)
        async with self._redis.pipeline() as pipeline:
            self._queue.add_to(pipeline, task_id, kind, document)
            await pipeline.execute()
        answer = await self._wait(task_id, is_gone, seconds=wait_of(kind))
        try:
            return decode(answer)
        except TaskFailed as error:
            raise error_of(error.failure) from error

    async def _check_queue(self) -> None:
        """Raises NoTaskProcess, or TooManyTasks."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zrange(self._keys.task_processes(), 0, -1)
            pipeline.llen(self._queue.key)
            names, waiting = await pipeline.execute()
        # A status expires by itself, but the members of a sorted set do not.
        keys = [self._keys.task_process(name.decode()) for name in names]
        if not keys or not await self._redis.exists(*keys):
            raise NoTaskProcess
        if waiting >= MAX_WAITING:
            raise TooManyTasks(MAX_WAITING)

    async def _wait(self, task_id: str, is_gone: IsGone, *, seconds: int) -> bytes:
        """Returns the answer; drops the task if the client has gone or the time is over."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        try:
            while loop.time() < ends_at:
                reply = await self._redis.blpop([self._keys.answer(task_id)], timeout=LOOK_SECONDS)
                if reply is not None:
                    answer = reply[1]
                    assert isinstance(answer, bytes)
                    return answer
                if await is_gone():
                    raise ClientDisconnect
            raise TaskTimeout(f"no answer came within {seconds} s")
        except (ClientDisconnect, TaskTimeout):
            async with self._redis.pipeline(transaction=False) as pipeline:
                self._queue.drop_in(pipeline, task_id)
                await pipeline.execute()
            raise


def error_of(failure: TaskFailure) -> Exception:
    """Returns the error with which the service answers for a task without a result."""
    match failure.code:
        case "invalid_recipe":
            return RecipeInvalid(failure.errors)
        case "dataset_not_ready":
            return DatasetNotReady(failure.dataset, retry_after=RETRY_AFTER_SECONDS)
        case "invalid_rows":
            return InvalidRequest(*failure.errors)
        case "malformed_json":
            return MalformedJson(failure.message)
        case "checkpoint_unusable":
            return CheckpointUnusable(failure.message)
        case "member_lost":
            return NoEnsemble(failure.message)
        case "storage_unavailable":
            return StorageUnavailable(failure.message)
        case "timeout":
            return TaskTimeout(failure.message)
        case "out_of_memory":
            return TaskOutOfMemory()
        case "interrupted":
            return TaskInterrupted(failure.message)
        case "internal":
            return TaskInternal(failure.message)
        case _:
            assert_never(failure.code)
