"""The RQ queue that wakes workers. Its jobs do not name a run: a woken worker claims the next run itself."""

from typing import Any

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

QUEUE = "bakehouse"
# The service names the function and does not import it, because its module imports torch.
TRAIN_NEXT = "worker.host.jobs.train_next"
# Timeout of RQ's jobs. It should never be reached, because the recipe limits how long a run trains.
TEN_YEARS_IN_SECONDS = 315_360_000
# RQ would ask Redis for its version, but writes the same commands for every version since this one.
OLDEST_REDIS = (6, 2, 0)
# Time that RQ keeps finished jobs; nothing ever reads them.
RESULT_TTL_SECONDS = 60


class WakeQueue:
    """Wakes the workers that are connected to one Redis. Can be shared between threads."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        # RQ's default serializer is pickle, which would let anyone who can write to Redis run code in the workers.
        self._queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)
        self._queue.redis_server_version = OLDEST_REDIS

    def wake(self, times: int = 1) -> None:
        """Wakes up to `times` workers, in one round trip.

        A worker that is woken while no run waits claims nothing. The supervisor repeats wake-ups that were lost.
        """
        with self._redis.pipeline(transaction=False) as pipeline:
            for _ in range(times):
                self.add_to(pipeline)
            pipeline.execute()

    def add_to(self, pipeline: Any) -> None:
        """Adds a wake-up to a pipeline of either kind of client."""
        # RQ would turn the given pipeline into a transaction, so its commands are copied from another one.
        composed = self._redis.pipeline()
        self._queue.enqueue_call(
            TRAIN_NEXT,
            timeout=TEN_YEARS_IN_SECONDS,
            result_ttl=RESULT_TTL_SECONDS,
            failure_ttl=RESULT_TTL_SECONDS,
            description="train the next run",
            pipeline=composed,
        )
        for arguments, _ in composed.command_stack:
            pipeline.execute_command(*arguments)

    def pending(self) -> int:
        """Counts the jobs that no worker has taken yet."""
        return len(self._queue)
