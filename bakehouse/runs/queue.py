"""The doorbell: an RQ job that wakes a worker. It names no run: the worker claims the next one by itself."""

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

QUEUE = "bakehouse"
TRAIN_NEXT = "worker.host.jobs.train_next"
# Training ends by its own budget; RQ's limit is only a far backstop.
TEN_YEARS = 315_360_000
# Nothing of ours is read from a finished job.
KEPT_SECONDS = 60


class WakeQueue:
    """Wakes workers of one Redis. Safe to share between threads."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)

    def ring(self, times: int = 1) -> None:
        """One pipeline. A ring too many finds nothing to do; one that is lost is made up for by the supervisor."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for _ in range(times):
                self._queue.enqueue_call(
                    TRAIN_NEXT,
                    timeout=TEN_YEARS,
                    result_ttl=KEPT_SECONDS,
                    failure_ttl=KEPT_SECONDS,
                    description="train the next run",
                    pipeline=pipeline,
                )
            pipeline.execute()

    def unanswered(self) -> int:
        """Rings that no worker has heard yet."""
        return len(self._queue)
