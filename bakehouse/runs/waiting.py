"""Reads the queue: the waiting runs in the order of their turns, and which of them a worker could claim now."""

import json
from collections.abc import Iterator, Mapping
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
    queues: tuple[str, ...] = ()
    """The keys of the queues in which its runs wait, apart from those that lost their worker."""
    asked_queue: str = ""
    """The key of the index of the runs that were asked to stop."""

    @property
    def ready(self) -> int:
        """Number of runs that could be claimed now."""
        return max(0, min(self.asked if self.is_held else self.queued, self.free))

    def holds(self, request: str | None) -> bool:
        """Returns whether one of its runs cannot be claimed now, given what a user has asked of that run."""
        return self.free < 1 or (self.is_held and request is None)


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
        return [room_of(keys, *each) for keys, *each in by_experiment]

    def in_order(self) -> Iterator[str]:
        """Yields the waiting runs in the order of their turns."""
        for ids in self._chunks():
            yield from ids

    def ready(self, held: dict[str, Room]) -> Iterator[str]:
        """Yields the waiting runs in order, without those that experiments in `held` hold back at the moment; the
        caller may add to it. Runs that lost their worker are among them all the same."""
        # An idle worker need not look through all that is held.
        if held and self.count() <= sum(room.queued - room.ready for room in held.values()):
            return
        for ids in self._chunks():
            known, passed_over = 0, set[str]()
            for run_id in ids:
                if len(held) > known:
                    known, passed_over = len(held), self._held_back(ids, held)
                if run_id not in passed_over:
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

    def _held_back(self, ids: list[str], held: Mapping[str, Room]) -> set[str]:
        """Returns those of some runs that wait in the queues of experiments that hold them back: one command for each
        queue, because there may be a thousand such runs."""
        queues = [(room, key) for room in held.values() for key in room.queues]
        with self._redis.pipeline(transaction=False) as pipeline:
            for _, key in queues:
                pipeline.zmscore(key, ids)
            for room, _ in queues:
                pipeline.zmscore(room.asked_queue, ids)
            replies = pipeline.execute()
        found = set()
        for (room, _), waits, asked in zip(queues, replies, replies[len(queues) :], strict=False):
            for run_id, turn, request in zip(ids, waits, asked, strict=True):
                if turn is not None and room.holds("stop" if request is not None else None):
                    found.add(run_id)
        return found


def room_of(keys: Mapping[str, Any], state: Any, queued: int, asked: int, running: int) -> Room:
    """Returns the room of an experiment, given its keys, the fields `request` and `max_running` of its hash, and its
    counts."""
    request, limit = (None if text is None else json.loads(text) for text in state)
    free = queued if limit is None else limit - running
    return Room(keys["id"], queued, asked, request is not None, free, tuple(keys["participants"]), keys["asked"])
