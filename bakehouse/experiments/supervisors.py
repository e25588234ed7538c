"""Tells which supervisors are there, and whether one of them can carry on searches."""

from redis import Redis

from bakehouse.runs.keys import Keys
from bakehouse.runs.store import Store

TTL_MS = 15_000
"""A supervisor that has not told of itself for this time is gone."""
CANNOT_SEARCH = (
    "Optuna, which chooses the trials of a search, is not installed beside the supervisor of the workers: "
    "install it there with `pip install 'bakehouse[search]'`"
)
NO_SUPERVISOR = "No supervisor is running, which creates the trials; the search goes on when there is one."
NO_SUPERVISOR_FOR_ARMS = (
    "No supervisor is running, which creates the runs that build on others; the experiment goes on when there is one."
)


class Supervisors:
    """The supervisors that are connected to one Redis."""

    def __init__(self, redis: Redis, keys: Keys, store: Store) -> None:
        self._redis = redis
        self._keys = keys
        self._store = store

    def put(self, name: str, *, can_search: bool) -> None:
        """Notes that a supervisor is there, and whether it can carry on searches."""
        now = self._store.now()
        with self._redis.pipeline() as pipeline:
            for key, is_listed in ((self._keys.supervisors(), True), (self._keys.searching_supervisors(), can_search)):
                pipeline.zremrangebyscore(key, "-inf", now)
                if is_listed:
                    pipeline.zadd(key, {name: now + TTL_MS})
                else:
                    pipeline.zrem(key, name)
            pipeline.execute()

    def cannot_search(self) -> bool:
        """Returns whether there are supervisors, but none that can carry on a search."""
        present, searching = self._counts()
        return present > 0 and not searching

    def search_problem(self) -> str | None:
        """Returns in words why no search goes on at the moment; None if a supervisor can carry it on."""
        present, searching = self._counts()
        if searching:
            return None
        return f"{CANNOT_SEARCH}; the search then goes on by itself." if present else NO_SUPERVISOR

    def arm_problem(self) -> str | None:
        """Returns in words why no runs that build on others are created at the moment; None if a supervisor can."""
        present, _ = self._counts()
        return None if present else NO_SUPERVISOR_FOR_ARMS

    def _counts(self) -> tuple[int, int]:
        now = self._store.now()
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zcount(self._keys.supervisors(), now, "+inf")
            pipeline.zcount(self._keys.searching_supervisors(), now, "+inf")
            present, searching = pipeline.execute()
        return present, searching
