"""Has rows predicted by predictors. The requests that arrive while a message is on its way share the next one."""

import asyncio
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from redis.asyncio import Redis
from starlette.concurrency import run_in_threadpool

from bakehouse.runs.keys import Keys
from bakehouse.runs.run import Checkpoint
from bakehouse.runs.store import Store
from bakehouse.tasks.answers import TaskFailed, decode
from bakehouse.tasks.predictions import (
    ALIVE_SECONDS,
    MAX_WAITING,
    WAIT_SECONDS,
    PredictionRequest,
    pack_message,
    pack_request,
    unpack_answers,
)
from service.errors import CheckpointNotFound
from service.task_errors import NoTaskProcess, TaskTimeout, TooManyTasks
from service.tasks import LOOK_SECONDS, error_of

MAX_REQUESTS = 128
"""Limit on the requests of a message."""
MAX_MESSAGE_BYTES = 4 << 20
"""Size from which on a message takes no more requests."""
MAX_ON_THE_WAY = 2
"""Number of messages that are sent at once: while one is answered, the next one arrives."""
MAX_PENDING_BYTES = 64 << 20
"""Limit on the bytes of the requests that wait in this process."""
KEPT_SECONDS = 1.0
"""Time for which a checkpoint is not looked up again."""


@dataclass(frozen=True)
class Pending:
    """A request that waits for its answer."""

    request: bytes
    answer: "asyncio.Future[bytes]"


class Predictions:
    """Asks the predictors of one tenant. All calls come from one event loop."""

    def __init__(self, redis: Redis, store: Store, tenant: str = "local") -> None:
        self._redis = redis
        self._store = store
        self._keys = Keys(tenant)
        self._pending: deque[Pending] = deque()
        self._bytes = 0
        self._on_the_way: set[asyncio.Task[None]] = set()
        self._found: dict[tuple[str, str], tuple[float, Checkpoint]] = {}

    async def find(self, run_id: str, epoch_or_role: str) -> Checkpoint:
        """Returns a checkpoint as it was at most a second ago. Raises CheckpointNotFound and RunNotFound."""
        now = monotonic()
        until, checkpoint = self._found.get((run_id, epoch_or_role), (now, None))
        if checkpoint is None or until <= now:
            record = await run_in_threadpool(self._store.record, run_id)
            found = (each for each in record.checkpoints if epoch_or_role in (str(each.epoch), *each.roles))
            checkpoint = next(found, None)
            if checkpoint is None:
                raise CheckpointNotFound(run_id)
            self._found = {key: kept for key, kept in self._found.items() if kept[0] > now}
            self._found[run_id, epoch_or_role] = (now + KEPT_SECONDS, checkpoint)
        return checkpoint

    async def predict(self, head: PredictionRequest, body: bytes) -> bytes:
        """Returns the predictions as JSON. Raises the error of the request, or why nobody has answered it."""
        request = pack_request(head, body)
        if self._bytes + len(request) > MAX_PENDING_BYTES:
            raise TooManyTasks(len(self._pending))
        pending = Pending(request, asyncio.get_running_loop().create_future())
        self._pending.append(pending)
        self._bytes += len(request)
        self._send()
        try:
            return decode(await pending.answer)
        except TaskFailed as error:
            raise error_of(error.failure) from error

    def _send(self) -> None:
        """Sends as many messages as may be on the way."""
        while self._pending and len(self._on_the_way) < MAX_ON_THE_WAY:
            task = asyncio.create_task(self._ask(self._take()))
            self._on_the_way.add(task)
            task.add_done_callback(self._note_end)

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        self._on_the_way.discard(task)
        self._send()

    def _take(self) -> list[Pending]:
        """Takes the requests of the next message."""
        taken: list[Pending] = []
        size = 0
        while self._pending and len(taken) < MAX_REQUESTS and size < MAX_MESSAGE_BYTES:
            pending = self._pending.popleft()
            self._bytes -= len(pending.request)
            # The answer to a client that has gone is cancelled.
            if not pending.answer.done():
                taken.append(pending)
                size += len(pending.request)
        return taken

    async def _ask(self, taken: Sequence[Pending]) -> None:
        """Sends a message, and gives each request its answer or the error."""
        if not taken:
            return
        try:
            await self._exchange(taken)
        except Exception as error:  # noqa: BLE001, every request that has no answer gets this error
            for pending in taken:
                if not pending.answer.done():
                    pending.answer.set_exception(error)

    async def _exchange(self, taken: Sequence[Pending]) -> None:
        """Sends a message, and gives each request its answer as soon as there is one."""
        await self._check_predictor()
        message_id = secrets.token_hex(16)
        message = pack_message(message_id, [pending.request for pending in taken])
        async with self._redis.pipeline() as pipeline:
            pipeline.rpush(self._keys.predictions(), message)
            # A list that nobody takes from must not stay for ever.
            pipeline.expire(self._keys.predictions(), ALIVE_SECONDS)
            await pipeline.execute()
        missing = len(taken)
        ends_at = monotonic() + WAIT_SECONDS
        while monotonic() < ends_at:
            reply = await self._redis.blpop([self._keys.answer(message_id)], timeout=LOOK_SECONDS)
            if reply is None:
                continue
            packed = reply[1]
            assert isinstance(packed, bytes)
            missing -= give_answers(taken, unpack_answers(packed))
            if not missing:
                return
            ends_at = monotonic() + WAIT_SECONDS
        await self._redis.lrem(self._keys.predictions(), 1, message)  # type: ignore[arg-type]
        raise TaskTimeout(f"no prediction came within {WAIT_SECONDS} s")

    async def _check_predictor(self) -> None:
        """Raises NoTaskProcess, or TooManyTasks."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.exists(self._keys.predictor())
            pipeline.llen(self._keys.predictions())
            is_there, waiting = await pipeline.execute()
        if not is_there:
            raise NoTaskProcess
        if waiting >= MAX_WAITING:
            raise TooManyTasks(MAX_WAITING)


def give_answers(taken: Sequence[Pending], answers: Mapping[int, bytes]) -> int:
    """Gives requests their answers by their places; returns how many these are."""
    for place, answer in answers.items():
        # The answer to a client that has gone is cancelled.
        if not taken[place].answer.done():
            taken[place].answer.set_result(answer)
    return len(answers)
