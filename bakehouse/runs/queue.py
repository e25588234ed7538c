"""The RQ queue that wakes workers. Its jobs name no run: a woken worker claims the next one itself."""

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

QUEUE = "bakehouse"
TRAIN_NEXT = "worker.host.jobs.train_next"
# Training ends by its own budget; RQ's limit is only a distant backstop.
TEN_YEARS_IN_SECONDS = 315_360_000
# Nothing is ever read from a finished job.
RESULT_TTL_SECONDS = 60


class WakeQueue:
    """Wakes the workers of one Redis. Safe to share between threads."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)

    def wake(self, times: int = 1) -> None:
        """Wakes up to `times` workers, in one round trip.

        A worker that is woken for nothing claims nothing; the supervisor makes up for a wake-up that is lost.
        """
        with self._redis.pipeline(transaction=False) as pipeline:
            for _ in range(times):
                self._queue.enqueue_call(
                    TRAIN_NEXT,
                    timeout=TEN_YEARS_IN_SECONDS,
                    result_ttl=RESULT_TTL_SECONDS,
                    failure_ttl=RESULT_TTL_SECONDS,
                    description="train the next run",
                    pipeline=pipeline,
                )
            pipeline.execute()

    def pending(self) -> int:
        """Counts the jobs that no worker has taken yet."""
        return len(self._queue)
