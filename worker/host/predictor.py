"""The predictor: a process beside the training workers that applies trained models to rows that users send.

It keeps the models that were asked last, so that an answer takes milliseconds. It is limited in memory and time, like
a short task; if it ends, prefork starts it again.
"""

import signal
import sys
from time import monotonic
from types import FrameType

from redis import Redis

from bakehouse.runs.keys import Keys
from bakehouse.runs.patience import OUTAGE, limit_patience
from bakehouse.runs.store import connect
from bakehouse.settings import Settings
from bakehouse.tasks.predictions import (
    ALIVE_SECONDS,
    ANSWER_SECONDS,
    MESSAGE_SECONDS,
    PREDICTION_SECONDS,
    pack_answers,
    unpack,
)
from worker.host.jobs import ENDING_PATIENCE_SECONDS, redis_url_of
from worker.host.task_worker import limit_resources
from worker.tasks.predict.models import Models
from worker.tasks.predict.predict import answer_all

POLL_SECONDS = 0.5
REPORT_SECONDS = 4.0


class Predictor:
    """Answers messages until it is asked to end."""

    def __init__(self, settings: Settings, redis: Redis, tenant: str = "local") -> None:
        self.redis = redis
        self.keys = Keys(tenant)
        self.models = Models(settings)
        self.is_ending = False
        self.reported_at = float("-inf")

    def end(self, _: int, __: FrameType | None) -> None:
        """Ends after the present message; Redis is not waited for any more."""
        self.is_ending = True
        limit_patience(self.redis, ENDING_PATIENCE_SECONDS)

    def run(self) -> None:
        """Answers messages until SIGTERM."""
        while not self.is_ending:
            self.report()
            taken = self.redis.blpop([self.keys.predictions()], timeout=POLL_SECONDS)
            if taken is not None:
                message = taken[1]
                assert isinstance(message, bytes)
                self.answer(message)

    def report(self) -> None:
        """Tells the service now and then that there is a predictor."""
        if monotonic() - self.reported_at >= REPORT_SECONDS:
            self.redis.set(self.keys.predictor(), b"1", ex=ALIVE_SECONDS)
            self.reported_at = monotonic()

    def answer(self, message: bytes) -> None:
        """Answers the requests of a message, each as soon as it can be. The kernel ends this process if that takes too
        long."""
        signal.alarm(PREDICTION_SECONDS)
        message_id, *requests = unpack(message)
        key = self.keys.answer(message_id.decode())
        for answers in answer_all(self.models, requests, monotonic() + MESSAGE_SECONDS):
            with self.redis.pipeline() as pipeline:
                pipeline.rpush(key, pack_answers(answers))
                pipeline.expire(key, ANSWER_SECONDS)
                pipeline.execute()
        signal.alarm(0)


def serve_predictions(settings: Settings) -> None:
    """Predicts until SIGTERM."""
    redis = connect(redis_url_of(settings), patient=True)
    limit_resources(settings)
    predictor = Predictor(settings, redis)
    signal.signal(signal.SIGTERM, predictor.end)
    try:
        predictor.run()
    except OUTAGE as error:
        print(f"The predictor ends while Redis cannot be used: {error}", file=sys.stderr, flush=True)
