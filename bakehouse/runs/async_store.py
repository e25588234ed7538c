"""Reads and creates runs in an event loop. Requests that wait at the same time share one round trip to Redis."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, Unpack

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError

from bakehouse.runs.durations import Capacity
from bakehouse.runs.keys import Keys
from bakehouse.runs.operations import Operations
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.reads import Filters
from bakehouse.runs.record import Idempotency
from bakehouse.runs.run import Run
from bakehouse.runs.scripts import Call, Operation
from bakehouse.runs.shown import CreatedRun, ShownPage, ShownRun
from bakehouse.runs.wire import NOTHING, Texts
from bakehouse.runs.writes import Write

Result = TypeVar("Result")
# A batch of this many new runs occupies Redis for about 10 ms.
MAX_BATCH = 64

log = logging.getLogger(__name__)


def connect_async(url: str) -> Redis:
    """Returns a client for an event loop that tries twice in 2 s, like the impatient client of `connect`."""
    once_more = Retry(ConstantBackoff(0.1), retries=1)
    # hiredis decodes faster than Python. Text that is not UTF-8 must not break a reply that other requests share.
    return Redis.from_url(
        url,
        retry=once_more,
        socket_timeout=0.6,
        socket_connect_timeout=0.6,
        decode_responses=True,
        encoding_errors="surrogateescape",
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """Calls that have not been sent yet, and the future that gets their replies."""

    calls: Sequence[Call]
    replies: "asyncio.Future[list[Any]]"


class Batches:
    """Sends all calls that wait in one pipeline; calls that arrive meanwhile are sent in the next one.

    So Redis syncs its log once for many writes. An error reply concerns only the calls that it answers.
    """

    def __init__(self, redis: Redis, finish: Callable[[Any, int], None] = lambda pipeline, count: None) -> None:
        self._redis = redis
        # Adds commands to the end of each batch, whose number of senders it gets; their replies are not looked at.
        self._finish = finish
        self._waiting: list[Waiting] = []
        self._sender: asyncio.Task[None] | None = None

    async def send(self, calls: Sequence[Call]) -> list[Any]:
        """Returns the replies; raises the first error among them, or the error of the connection."""
        waiting = Waiting(calls, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())
        replies = await waiting.replies
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            try:
                replies = await self._execute([call for waiting in batch for call in waiting.calls], len(batch))
            except Exception as error:  # noqa: BLE001 - every sender gets the error, whatever it is
                replies = [error] * sum(len(waiting.calls) for waiting in batch)
            for waiting in batch:
                own, replies = replies[: len(waiting.calls)], replies[len(waiting.calls) :]
                # The client of a cancelled request has gone.
                if not waiting.replies.done():
                    waiting.replies.set_result(own)
            for reply in replies:
                if isinstance(reply, Exception):
                    log.warning("a command at the end of a batch failed: %s", reply)
        self._sender = None

    async def _execute(self, calls: Sequence[Call], senders: int) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for call in calls:
            call(pipeline)
        self._finish(pipeline, senders)
        return await pipeline.execute(raise_on_error=False)


class SharedReading(Generic[Result]):
    """Reads a value for many callers at once: each gets the result of a reading that began after its call."""

    def __init__(self, read: Callable[[], Awaitable[Result]]) -> None:
        self._read = read
        self._present: asyncio.Task[Result] | None = None
        self._next: asyncio.Task[Result] | None = None

    async def __call__(self) -> Result:
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._present))
        # A caller that is cancelled must not cancel the reading for the others.
        return await asyncio.shield(self._next)

    async def _read_after(self, present: "asyncio.Task[Result] | None") -> Result:
        if present is not None:
            await asyncio.wait([present])
        self._present, self._next = self._next, None
        return await self._read()


class AsyncStore:
    """Reads and creates the runs of one tenant, for the service. All calls come from one event loop."""

    def __init__(self, redis: Redis, wake_queue: WakeQueue, tenant: str = "local") -> None:
        self._operations = Operations(Keys(tenant))
        self._wake_queue = wake_queue
        # Reads do not wait for the disk, so they must not wait behind writes.
        self._reads = Batches(redis)
        self._creations = Batches(redis, self._add_wake_ups)
        self.largest_memory = SharedReading(self._read_largest_memory)
        """Returns the memory of the worker that has the most; None if no worker has been seen yet."""
        self.capacity = SharedReading(self._read_capacity)
        """Returns the devices of the workers that are here, and what was measured on them."""

    async def create(
        self,
        run: Run,
        *,
        idempotency: Idempotency | None = None,
        known: Texts = NOTHING,
        experiment: Write | None = None,
    ) -> CreatedRun:
        """Stores a queued run with its indexes, its idempotency key and its first events, either all or none; wakes a
        worker for it.

        `known` are fields of the run whose JSON the caller has already, and `experiment` is what changes with it in the
        record of its experiment.
        """
        # Read here if it has to be, because every batch of `_creations` wakes workers.
        await carry_out(self._operations.reads.now(), self._reads)
        operation = self._operations.create(run, idempotency=idempotency, known=known, experiment=experiment)
        return await carry_out(operation, self._creations)

    async def first_answer(self, idempotency: Idempotency) -> CreatedRun | None:
        """Returns the run that the same idempotency key created before, if any."""
        return await carry_out(self._operations.first_answer(idempotency), self._reads)

    async def get(self, run_id: str) -> ShownRun:
        """Returns the run as clients see it."""
        return await carry_out(self._operations.reads.show(run_id), self._reads)

    async def page(self, **filters: Unpack[Filters]) -> ShownPage:
        """Returns the runs that match all filters, newest first: older than `after`, or newer than `before`."""
        return await carry_out(self._operations.reads.page(**filters), self._reads)

    async def _read_largest_memory(self) -> int | None:
        return await carry_out(self._operations.reads.largest_memory(), self._reads)

    async def _read_capacity(self) -> Capacity:
        return await carry_out(self._operations.reads.capacity(), self._reads)

    def _add_wake_ups(self, pipeline: Any, new_runs: int) -> None:
        # More wake-ups than workers would find nothing to do: a worker that ends a run wakes one for the next run.
        for _ in range(max(1, min(new_runs, self._operations.workers))):
            self._wake_queue.add_to(pipeline)


async def carry_out(operation: Operation[Result], batches: Batches) -> Result:
    """Returns the result of an operation."""
    try:
        calls = next(operation)
        while True:
            try:
                replies = await batches.send(calls)
            except RedisError as error:
                calls = operation.throw(error)
            else:
                calls = operation.send(replies)
    except StopIteration as end:
        result: Result = end.value
        return result
