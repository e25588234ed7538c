"""Reads the runs' logs and the change stream. Each function reads for many callers in one round trip."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from bakehouse.runs import stream_entries, wire
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.errors import LogDamaged
from bakehouse.runs.keys import Keys
from bakehouse.runs.status import TERMINAL
from bakehouse.runs.stream_entries import Change, StoredEvent, stream_position

log = logging.getLogger(__name__)

START = "0-0"
EVENTS_PER_READ = 1000


@dataclass(frozen=True, slots=True)
class LogRange:
    """The events of a run after the number `after`: up to `last`, or at most `limit` of them, from either end."""

    run_id: str
    after: int
    last: int | None = None
    limit: int | None = None
    tail: bool = False
    """Whether the last events are wanted if there are more than `limit`."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a run's log."""

    seq: int
    """The number of the latest event."""
    is_over: bool
    """Whether the run is over, so that no event follows."""


@dataclass(frozen=True, slots=True)
class ChangeRange:
    """The changes after the id `after`, up to and including the id `last`."""

    after: str
    last: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """The ends of the change stream."""

    first: str = START
    last: str = START
    is_trimmed: bool = False

    def lack_changes_after(self, entry_id: str) -> bool:
        """Returns whether changes after this id may be missing, because the stream was trimmed or Redis lost writes."""
        after = stream_position(entry_id)
        # Somebody has seen an id that is newer than the newest one only if Redis has lost writes.
        return after > stream_position(self.last) or (self.is_trimmed and after < stream_position(self.first))


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Some changes in order, and the ends of the change stream after they were read."""

    changes: Sequence[Change]
    bounds: Bounds


class Logs:
    """Reads the logs of one tenant. Can be shared between threads."""

    def __init__(self, redis: Redis, keys: Keys, artifacts: Artifacts | None) -> None:
        self._redis = redis
        self._keys = keys
        self._artifacts = artifacts
        # The lines of the archived log that was read last.
        self._recent: tuple[str, list[str]] = ("", [])

    def events(self, ranges: Sequence[LogRange]) -> list[list[StoredEvent]]:
        """Returns the events of each range, in order. Every reader of a log calls this."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for wanted in ranges:
                # commit.lua gives each event the id `seq-0`, so the numbers are the bounds.
                first = f"{wanted.after + 1}-0"
                last = "+" if wanted.last is None else f"{wanted.last}-0"
                if wanted.tail:
                    pipeline.xrevrange(self._keys.log(wanted.run_id), last, first, wanted.limit)
                else:
                    pipeline.xrange(self._keys.log(wanted.run_id), first, last, wanted.limit)
                # Read second: a log that was still in Redis is complete, even if it is archived in between.
                pipeline.hexists(self._keys.run(wanted.run_id), wire.PACKED)
            replies = pipeline.execute()
        return [
            self.archived(wanted) if is_archived and not entries else parse_entries(wanted, entries)
            for wanted, entries, is_archived in zip(ranges, replies[::2], replies[1::2], strict=True)
        ]

    def whole(self, run_id: str) -> Iterator[StoredEvent]:
        """Yields all events of a run that is over."""
        after = 0
        while events := self.events([LogRange(run_id, after=after, limit=EVENTS_PER_READ)])[0]:
            yield from events
            after = events[-1].seq

    def archived(self, wanted: LogRange) -> list[StoredEvent]:
        """Returns the events of a range from the file of an archived log; logs an error and returns none if the file is
        damaged, which must not disturb the readers of other logs."""
        assert self._artifacts is not None, "only processes that know the folder of the files read logs"
        run_id, lines = self._recent
        try:
            if run_id != wanted.run_id:
                lines = list(self._artifacts.read_log(wanted.run_id))
                # A log is read page by page, and the whole file is decompressed for each page that is not kept.
                self._recent = (wanted.run_id, lines)
            # The events are numbered from 1 without gaps, so that a number is a position in the file.
            found = lines[wanted.after : wanted.last]
            if wanted.limit is not None:
                found = found[-wanted.limit :] if wanted.tail else found[: wanted.limit]
            return [stream_entries.parse_line(line) for line in found]
        except (LogDamaged, ValueError) as error:
            log.error("%s", error)
            return []

    def heads(self, run_ids: Sequence[str]) -> list[Head | None]:
        """Returns the end of each run's log, or None if there is no such run."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for run_id in run_ids:
                pipeline.hmget(self._keys.run(run_id), "seq", "status")
            return [
                None if seq is None else Head(int(seq), json.loads(status) in TERMINAL)
                for seq, status in pipeline.execute()
            ]

    def changes(self, ranges: Sequence[ChangeRange], limit: int) -> list[ChangePage]:
        """Returns the first `limit` changes of each range."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for wanted in ranges:
                pipeline.xrange(self._keys.changes(), f"({wanted.after}", wanted.last, limit)
            # The bounds come last: an entry that was trimmed before it was read lies outside them.
            pipeline.xinfo_stream(self._keys.changes())
            *pages, information = pipeline.execute(raise_on_error=False)
        bounds = parse_bounds(information)
        for page in pages:
            if isinstance(page, RedisError):
                raise page
        return [ChangePage([stream_entries.parse_change(*entry) for entry in entries], bounds) for entries in pages]

    def listed(self, indexes: Sequence[str], run_ids: list[str]) -> list[frozenset[str]]:
        """Returns, for each key of an index, which of the runs are in it."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for index in indexes:
                pipeline.zmscore(index, run_ids)
            return [
                frozenset(run_id for run_id, score in zip(run_ids, scores, strict=True) if score is not None)
                for scores in pipeline.execute()
            ]


def parse_entries(wanted: LogRange, entries: Sequence[Any]) -> list[StoredEvent]:
    """Returns the events in entries of a log, in order; `tail` reads them backwards."""
    return [stream_entries.parse_event(*entry) for entry in (reversed(entries) if wanted.tail else entries)]


def parse_bounds(information: Any) -> Bounds:
    """Returns the ends of a stream that XINFO STREAM describes."""
    # Redis has no stream without an entry, and XINFO answers this with an error.
    if isinstance(information, ResponseError) and "no such key" in str(information):
        return Bounds()
    if isinstance(information, RedisError):
        raise information
    last = wire.text(information["last-generated-id"])
    first = wire.text(information["first-entry"][0]) if information["first-entry"] else last
    # Redis counts these entries since version 7.0; an older one's stream is taken for complete.
    is_trimmed = information.get("entries-added", information["length"]) > information["length"]
    return Bounds(first, last, is_trimmed)
