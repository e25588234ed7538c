"""Lets a Redis client wait until Redis answers again, or accepts writes again."""

import logging
import re
from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any, TypeVar

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ClusterDownError, OutOfMemoryError, ReadOnlyError, ResponseError, TryAgainError
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import TimeoutError as RedisTimeout
from redis.retry import Retry

T = TypeVar("T")

log = logging.getLogger(__name__)

# What a call raises when its time to wait for Redis is over.
OUTAGE = (RedisAway, RedisTimeout)
# MasterDownError is a ClusterDownError; redis-py has no classes for the other refusals that pass.
REFUSALS = (OutOfMemoryError, ReadOnlyError, TryAgainError, ClusterDownError)
# The code is at the beginning, or behind what a script, a pipeline or a transaction puts before it.
REFUSAL_CODE = re.compile(r"(?:^|: -?)(?:OOM|READONLY|MISCONF|NOREPLICAS|LOADING|BUSY|TRYAGAIN|MASTERDOWN) ")


class WritesRefused(RedisAway):
    """Raised in place of an error reply that says that Redis accepts no writes at the moment, because it is full, has
    no disk or is a replica. redis-py and RQ repeat only calls that end with a connection error."""


class Patience(Retry):
    """Repeats a call until it succeeds, but for at most `seconds` after its start. Logs each outage once."""

    def __init__(self, seconds: float = inf) -> None:
        super().__init__(ExponentialBackoff(cap=1.0, base=0.05), retries=-1)
        self.seconds = seconds
        self._is_waiting = False

    def __deepcopy__(self, memo: dict[int, Any]) -> "Patience":
        # redis-py copies it for each connection, but an outage concerns them all.
        return self

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        """Calls `do` until it succeeds, and `fail` after each failure."""
        started = monotonic()
        failed = False

        def note_failure(error: Exception, failures: int) -> None:
            nonlocal failed
            failed = True
            self._log_outage(error)
            fail(error, failures) if with_failure_count else fail(error)
            if monotonic() - started >= self.seconds:
                raise error

        result = super().call_with_retry(lambda: call(do), note_failure, is_retryable, with_failure_count=True)
        if failed:
            self._log_end(monotonic() - started)
        return result

    def _log_outage(self, error: Exception) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            log.warning("Redis cannot be used; waiting for it: %s", error)

    def _log_end(self, seconds: float) -> None:
        if self._is_waiting:
            self._is_waiting = False
            log.warning("Redis can be used again, after %.1f s.", seconds)


def call(do: Callable[[], T]) -> T:
    """Calls a function; raises WritesRefused if Redis refused a write for a reason that passes."""
    try:
        return do()
    except ResponseError as error:
        if is_refusal(error):
            raise WritesRefused(str(error)) from error
        raise


def is_refusal(error: ResponseError) -> bool:
    """Returns whether Redis refused a command for a reason that passes."""
    return isinstance(error, REFUSALS) or REFUSAL_CODE.search(str(error)) is not None


def limit_patience(redis: Redis, seconds: float) -> None:
    """Lets each call of a patient client wait at most this long from now on, even a call that waits already."""
    patience = redis.get_retry()
    assert isinstance(patience, Patience)
    patience.seconds = seconds
