"""Reads of runs, without a connection to Redis: generators that yield calls, as in operations.py."""

import json
import logging
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import methodcaller
from typing import Any, Literal, TypedDict, Unpack

from bakehouse.runs import wire
from bakehouse.runs.clock import RedisClock, monotonic_ms
from bakehouse.runs.durations import Capacity
from bakehouse.runs.errors import CursorNotFound, RecordUnreadable, RunNotFound
from bakehouse.runs.keys import Keys
from bakehouse.runs.measurements import read_measurements
from bakehouse.runs.pace import TRUSTED_MS, Pace, read_pace
from bakehouse.runs.record import Record
from bakehouse.runs.run import QueuePlace
from bakehouse.runs.scripts import PLACES, Operation, call_script
from bakehouse.runs.shown import ShownPage, ShownRun, shown_run
from bakehouse.runs.status import Status

# Number of runs that one read of an index returns if they must be looked up in other indexes.
CHUNK = 200


log = logging.getLogger(__name__)


class Filters(TypedDict, total=False):
    """The choice of a page of the list of runs."""

    ids: Sequence[str]
    status: Status | None
    labels: Mapping[str, str]
    dataset: str | None
    architecture: str | None
    recipe_sha256: str | None
    experiment: str | None
    after: str | None
    before: str | None
    limit: int


class Reads:
    """The reads of the runs of one tenant."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.clock = RedisClock()
        self._pace: Pace | None = None
        self._pace_read_ms = -TRUSTED_MS

    # Time

    def now(self) -> Operation[int]:
        """Returns Redis's time in milliseconds, which is read again every ten seconds."""
        if self.clock.must_be_read:
            return (yield from self.time_ms())
        return self.clock.now()

    def time_ms(self) -> Operation[int]:
        """Reads Redis's time in milliseconds."""
        ((seconds, microseconds),) = yield [methodcaller("time")]
        self.clock.set(seconds * 1000 + microseconds // 1000)
        return self.clock.now()

    # Runs

    def record(self, run_id: str) -> Operation[Record]:
        """Returns the run with the fields that workers and supervisors need."""
        key = self._keys.run(run_id)
        (fields,) = yield [methodcaller("hgetall", key)]
        if not fields:
            raise RunNotFound(run_id)
        return wire.decode(fields)

    def show(self, run_id: str) -> Operation[ShownRun]:
        """Returns the run as clients see it."""
        (fields,), (place,) = yield from self._read_runs([run_id])
        if not fields:
            raise RunNotFound(run_id)
        return shown_run(wire.decoded(fields), place)

    def _show_all(self, ids: Sequence[str]) -> Operation[list[ShownRun]]:
        """Returns the runs with these ids, without those that have been deleted or that this version cannot read."""
        hashes, places = yield from self._read_runs(ids)
        runs = []
        for fields, place in zip(hashes, places, strict=True):
            try:
                # A run may have been deleted since its id was read.
                if fields:
                    runs.append(shown_run(wire.decoded(fields), place))
            except RecordUnreadable as error:
                # One unreadable run must not make a whole list of runs fail.
                log.warning("%s", error)
        return runs

    def _read_runs(self, ids: Sequence[str]) -> Operation[tuple[list[Any], list[QueuePlace | None]]]:
        """Returns for each run its hash and its place in the queue."""
        now = yield from self.now()
        hashes = [methodcaller("hgetall", self._keys.run(run_id)) for run_id in ids]
        calls = [methodcaller("zcount", self._keys.workers(), now, "+inf"), *hashes]
        workers, *found, places = yield from call_script(calls, PLACES, self._keys.of_queue(), self._of_places(ids))
        return found, (yield from self._describe(places, workers))

    def _of_places(self, ids: Sequence[str]) -> list[str]:
        return [text for run_id in ids for text in (self._keys.run(run_id), run_id)]

    def places(self, ids: Sequence[str]) -> Operation[list[QueuePlace | None]]:
        """Returns for each run its place in the queue; None if the run does not wait."""
        now = yield from self.now()
        calls = [methodcaller("zcount", self._keys.workers(), now, "+inf")]
        workers, places = yield from call_script(calls, PLACES, self._keys.of_queue(), self._of_places(ids))
        return (yield from self._describe(places, workers))

    def _describe(self, places: Sequence[Any], workers: int) -> Operation[list[QueuePlace | None]]:
        """Describes places in the queue, with the time at which their runs start."""
        pace = self.trusted_pace()
        if pace is None and any(places):
            pace = self._pace = yield from self._read_pace(workers)
            self._pace_read_ms = monotonic_ms()
        return [wire.place_in(place, workers, pace) for place in places]

    def trusted_pace(self) -> Pace | None:
        """Returns the pace if it was read recently."""
        return self._pace if monotonic_ms() - self._pace_read_ms <= TRUSTED_MS else None

    def _read_pace(self, workers: int) -> Operation[Pace | None]:
        (ids,) = yield [methodcaller("zrange", self._keys.leases(), 0, -1)]
        keys = [self._keys.run(wire.text(run_id)) for run_id in ids]
        trained = (yield [methodcaller("hmget", key, "progress", "seconds") for key in keys]) if keys else []
        return read_pace(trained, workers)

    def page(self, **filters: Unpack[Filters]) -> Operation[ShownPage]:
        """Returns the runs that match all filters, newest first: older than `after`, or newer than `before`."""
        after = filters.get("after")
        before = filters.get("before")
        limit = filters.get("limit", 20)
        fields = {
            "status": filters.get("status"),
            "dataset": filters.get("dataset"),
            "architecture": filters.get("architecture"),
            "recipe_sha256": filters.get("recipe_sha256"),
            "experiment": filters.get("experiment"),
        }
        indexes = self._keys.filters(fields, filters.get("labels", {}))
        # One run more than asked for shows whether there are further runs.
        if ids := filters.get("ids"):
            found = yield from self._listed(ids, indexes)
        else:
            found = yield from self._matching(indexes, after=after, before=before, wanted=limit + 1)
        # Runs that are newer than a cursor are found oldest first, but every page lists the newest first.
        ids = found[:limit] if before is None else found[:limit][::-1]
        runs = (yield from self._show_all(ids)) if ids else []
        return ShownPage(runs, has_more=len(found) > limit)

    def _matching(
        self, filters: list[str], *, after: str | None, before: str | None, wanted: int
    ) -> Operation[list[str]]:
        """Goes through the smallest index, starting at the cursor, and looks its runs up in the other indexes."""
        smallest, *others = yield from self._by_size(filters)
        start = (yield from self._bound(after, "after")) or (yield from self._bound(before, "before"))
        # Without other indexes every run matches.
        size = CHUNK if others else wanted
        found: list[str] = []
        while len(found) < wanted:
            chunk = yield from self._chunk(smallest, start, size, newest_first=before is None)
            ids = [wire.text(run_id) for run_id, _ in chunk]
            scores = (yield [methodcaller("zmscore", other, ids) for other in others]) if ids and others else []
            found += [run_id for run_id, *listed in zip(ids, *scores, strict=True) if None not in listed]
            if len(chunk) < size:
                break
            # Each run has its own score in these indexes, so the exclusive bound neither repeats nor skips a run.
            start = f"({chunk[-1][1]:.0f}"
        return found[:wanted]

    def _listed(self, ids: Sequence[str], filters: list[str]) -> Operation[list[str]]:
        """Returns those of the runs that exist and are in all indexes, newest first."""
        scores = yield [methodcaller("zmscore", index, ids) for index in (self._keys.runs(), *filters)]
        found = [(row[0], run_id) for run_id, *row in zip(ids, *scores, strict=True) if None not in row]
        return [run_id for _, run_id in sorted(found, reverse=True)]

    def _by_size(self, filters: list[str]) -> Operation[list[str]]:
        """Returns the indexes, the smallest first; without filters, the index of all runs."""
        if len(filters) < 2:
            return filters or [self._keys.runs()]
        sizes = yield [methodcaller("zcard", index) for index in filters]
        return [index for _, index in sorted(zip(sizes, filters, strict=True))]

    def _bound(self, cursor: str | None, parameter: Literal["after", "before"]) -> Operation[str | None]:
        if cursor is None:
            return None
        (score,) = yield [methodcaller("zscore", self._keys.runs(), cursor)]
        if score is None:
            raise CursorNotFound(cursor, parameter)
        return f"({score:.0f}"

    def _chunk(
        self, index: str, start: str | None, size: int, *, newest_first: bool
    ) -> Operation[list[tuple[wire.Text, float]]]:
        if newest_first:
            bounds = ("zrevrangebyscore", index, start or "+inf", "-inf")
        else:
            bounds = ("zrangebyscore", index, start or "-inf", "+inf")
        (chunk,) = yield [methodcaller(*bounds, 0, size, withscores=True)]
        return list(chunk)

    # Workers

    def largest_memory(self) -> Operation[int | None]:
        """Returns the memory of the worker that has the most; None if no worker has been seen yet."""
        (names,) = yield [methodcaller("zrange", self._keys.workers(), 0, -1)]
        if not names:
            return None
        (statuses,) = yield [methodcaller("mget", [self._keys.worker(wire.text(name)) for name in names])]
        # A status may expire before its worker's name leaves the sorted set.
        return max((json.loads(status)["memory_bytes"] for status in statuses if status is not None), default=None)

    def capacity(self) -> Operation[Capacity]:
        """Returns the devices of the workers that are here, and what was measured on them."""
        now = yield from self.now()
        (names,) = yield [methodcaller("zrangebyscore", self._keys.workers(), now, "+inf")]
        if not names:
            return Capacity((), ())
        (statuses,) = yield [methodcaller("mget", [self._keys.worker(wire.text(name)) for name in names])]
        devices = [json.loads(status)["device"] for status in statuses if status is not None]
        stored = yield [methodcaller("hvals", self._keys.measurements(device)) for device in sorted(set(devices))]
        return Capacity(devices, tuple(read_measurements(chain.from_iterable(stored))))
