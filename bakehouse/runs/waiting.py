"""Reads the queue: the waiting runs in the order of their turns, and which of them a worker could claim now."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from redis import Redis

from bakehouse.runs import wire
from bakehouse.runs.keys import Keys

# Number of waiting runs that are read at once.
CHUNK = 200


@dataclass(frozen=True, slots=True)
class Room:
    """How many waiting runs of an experiment could be claimed now."""

    experiment: str
    queued: int
    asked: int
    """Number of the queued runs that were asked to stop."""
    is_held: bool
    """Whether only these may be claimed, because of a request to the experiment."""
    free: int
    """The limit of running runs less those that run; `queued` without a limit."""

    @property
    def ready(self) -> int:
        """Number of runs that could be claimed now."""
        return max(0, min(self.asked if self.is_held else self.queued, self.free))


class WaitingRuns:
    """The waiting runs of one tenant."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    def count(self) -> int:
        """Counts the waiting runs."""
        return self._redis.zcard(self._keys.claimable())

    def count_ready(self) -> int:
        """Counts the waiting runs that a worker could claim now: without those whose experiment holds them back."""
        rooms = self.rooms()
        return self.count() - sum(room.queued - room.ready for room in rooms)

    def rooms(self) -> list[Room]:
        """Returns the room of each experiment that has waiting runs."""
        listed = [json.loads(text) for text in self._redis.hvals(self._keys.waiting_experiments())]
        if not listed:
            return []
        with self._redis.pipeline(transaction=False) as pipeline:
            for keys in listed:
                pipeline.hmget(keys["key"], "request", "max_running")
                for index in ("queued", "asked", "running"):
                    pipeline.zcard(keys[index])
            replies = iter(pipeline.execute())
        # The same iterator four times: each experiment takes its four replies.
        by_experiment = zip(listed, replies, replies, replies, replies, strict=True)
        return [room_of(keys["id"], *each) for keys, *each in by_experiment]

    def in_order(self) -> Iterator[str]:
        """Yields the waiting runs in the order of their turns."""
        for ids in self._chunks():
            yield from ids

    def ready(self, held: dict[str, Room]) -> Iterator[str]:
        """Yields the waiting runs in order, without those of the experiments that `held` contains at the moment; the
        caller may add to it."""
        for ids in self._chunks():
            cells: list[Any] = []
            for index, run_id in enumerate(ids):
                # Most queues have no experiment that is held, and the caller reads the records anyway.
                if held and not cells:
                    cells = self._cells(ids)
                if not held or not is_held_back(cells[index], held):
                    yield run_id

    def _chunks(self) -> Iterator[list[str]]:
        start = 0
        # Claims move later runs forward, so this may pass over a run until the next call.
        while ids := wire.texts(self._redis.zrange(self._keys.claimable(), start, start + CHUNK - 1)):
            yield ids
            start += CHUNK

    def held(self) -> dict[str, Room]:
        """Returns the experiments that hold runs back, by their ids."""
        return {room.experiment: room for room in self.rooms() if room.ready < room.queued}

    def _cells(self, ids: list[str]) -> list[Any]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for run_id in ids:
                pipeline.hmget(self._keys.run(run_id), "experiment", "request")
            # The record of a damaged run must not keep the others from being claimed.
            return pipeline.execute(raise_on_error=False)


def room_of(experiment: str, state: Any, queued: int, asked: int, running: int) -> Room:
    """Returns the room of an experiment, given the fields `request` and `max_running` of its hash and its counts."""
    request, limit = (None if text is None else json.loads(text) for text in state)
    return Room(experiment, queued, asked, request is not None, queued if limit is None else limit - running)


def is_held_back(fields: Any, held: dict[str, Room]) -> bool:
    """Returns whether a run's experiment holds it back, given its fields `experiment` and `request`."""
    try:
        cell, request = (json.loads(text or "null") for text in fields)
        room = held.get(cell["id"])
    except (TypeError, ValueError):
        return False  # the run has no experiment, or the caller notices that its record is damaged
    return room is not None and (room.free < 1 or (room.is_held and request is None))
