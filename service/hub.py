"""Reads the change stream once for the whole process and passes its events on to all subscribers.

sse-starlette is not used because it sends the events of one source to one client. Here one event may go to a thousand
clients, so it is read from Redis and encoded once, and a client that resumes must get exactly the events after the last
one it saw. sse-starlette does neither; it would only replace `EventStream` in service/streams.py, about 25 lines.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bakehouse.runs import wire
from bakehouse.runs.keys import Keys
from bakehouse.runs.run import Event
from bakehouse.runs.wire import Change

# Time for which a read waits in Redis; below the client's socket timeout of 10 s, which detects dead connections.
BLOCK_MS = 5000
MAX_CHANGES_PER_READ = 1000
# Changes that arrive within this time are sent together.
BATCH_SECONDS = 0.02
RETRY_SECONDS = 0.5
MAX_START_SECONDS = 2.0
# A subscriber with more pending events than this is disconnected; it resumes from the log.
MAX_PENDING = 5000

log = logging.getLogger(__name__)


class RunEvent(Event):
    """An event with the id of its run, for a stream of several runs."""

    run_id: str


@dataclass(frozen=True)
class PublishedEvent:
    """An event for all subscribers. Each of its two frames is encoded only once, however many clients get it."""

    change: Change
    event: Event

    @cached_property
    def run_frame(self) -> bytes:
        """The frame for the stream of one run."""
        return encode_frame(self.event, event_id=str(self.event.seq))

    @cached_property
    def shared_frame(self) -> bytes:
        """The frame for a stream of several runs."""
        run_event = RunEvent(run_id=self.change.run_id, **dict(self.event))
        return encode_frame(run_event, event_id=self.change.id)


@dataclass(frozen=True)
class Selection:
    """Selects runs by their ids, and all runs that have these labels, now or later."""

    runs: frozenset[str] = frozenset()
    labels: tuple[tuple[str, str], ...] = ()


class Subscription:
    """The events that one subscriber has not taken yet."""

    def __init__(self) -> None:
        self.is_closed = False
        self._pending: list[PublishedEvent] = []
        self._woken = asyncio.Event()

    def put(self, published: PublishedEvent) -> None:
        """Adds an event without blocking. Disconnects a subscriber that has fallen too far behind."""
        if len(self._pending) >= MAX_PENDING:
            self.close()
        else:
            self._pending.append(published)
            self._woken.set()

    def close(self) -> None:
        """Ends the subscription; the client resumes from the log, perhaps by way of another process."""
        self.is_closed = True
        self._woken.set()

    async def take(self, seconds: float) -> list[PublishedEvent]:
        """Waits up to `seconds` for events and returns all of them; returns an empty list after a timeout."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return []
        # Nothing is awaited from here to the end, so no event can be added in between and lost.
        self._woken.clear()
        events = self._pending
        self._pending = []
        return events


class Hub:
    """Passes events on to subscribers.

    To miss no event, a subscriber must subscribe first, then read the log, then drop new events that it has read.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._last_id = "0-0"
        self._started = asyncio.Event()
        self._is_closed = False
        self._subscriptions: dict[Subscription, Selection] = {}

    async def listen(self) -> None:
        """Reads changes and delivers their events until the task is cancelled; retries while Redis is unavailable."""
        try:
            while True:
                try:
                    await self._read_and_deliver()
                except RedisError as error:
                    log.warning("cannot read the change stream: %s", type(error).__name__)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self.close()

    def close(self) -> None:
        """Ends all streams; their clients reconnect to another process."""
        self._is_closed = True
        for subscription in self._subscriptions:
            subscription.close()

    async def wait_until_ready(self) -> None:
        """Waits until the reader knows its position in the change stream; from then on, subscriptions miss no event."""
        try:
            async with asyncio.timeout(MAX_START_SECONDS):
                await self._started.wait()
        except TimeoutError as error:
            raise RedisTimeoutError("cannot read the change stream") from error

    @contextmanager
    def subscribe(self, selection: Selection) -> Iterator[Subscription]:
        """Yields a subscription that collects new events of the selected runs. Call `wait_until_ready` first."""
        subscription = Subscription()
        # A stream that begins during the shutdown must end at once.
        subscription.is_closed = self._is_closed
        self._subscriptions[subscription] = selection
        try:
            yield subscription
        finally:
            del self._subscriptions[subscription]

    async def last_change(self) -> str:
        """Returns the id of the newest change."""
        entries: Any = await self._redis.xrevrange(self._keys.changes(), count=1)
        return wire.text(entries[0][0]) if entries else "0-0"

    async def may_miss_changes(self, after: str) -> bool:
        """Returns whether changes after this id may be missing, because the stream was trimmed or Redis lost writes."""
        entries: Any = await self._redis.xrange(self._keys.changes(), count=1)
        # If the client has seen a newer id than the newest one, Redis has lost writes.
        if parse_stream_id(after) > parse_stream_id(await self.last_change()):
            return True
        if not entries or parse_stream_id(wire.text(entries[0][0])) <= parse_stream_id(after):
            return False
        # The first entry is newer than `after`, so nothing is missing only if the stream was never trimmed.
        information: Any = await self._redis.xinfo_stream(self._keys.changes())
        # Redis counts these entries since version 7.0; an older one's stream is taken for complete.
        added = information.get("entries-added", information["length"])
        return bool(added > information["length"])

    async def replay(self, selection: Selection, after: str) -> AsyncIterator[list[PublishedEvent]]:
        """Yields the events after an id that are still in the stream, in chunks."""
        while changes := await self._read(after):
            runs = (await self._select_runs(changes, [selection]))[selection]
            yield await self._load_events([change for change in changes if change.run_id in runs])
            after = changes[-1].id

    async def _read_and_deliver(self) -> None:
        if not self._started.is_set():
            self._last_id = await self.last_change()
            self._started.set()
        changes = await self._read(self._last_id, block_ms=BLOCK_MS)
        if not changes:
            return
        await self._deliver(changes)
        # Set only after delivery: if Redis fails before, the same changes are read again.
        self._last_id = changes[-1].id
        await asyncio.sleep(BATCH_SECONDS)

    async def _read(self, after: str, *, block_ms: int | None = None) -> list[Change]:
        reply: Any = await self._redis.xread({self._keys.changes(): after}, count=MAX_CHANGES_PER_READ, block=block_ms)
        return [wire.parse_change(entry_id, fields) for _, entries in reply or () for entry_id, fields in entries]

    async def _deliver(self, changes: Sequence[Change]) -> None:
        selected = await self._select_runs(changes, self._subscriptions.values())
        wanted = frozenset[str]().union(*selected.values())
        published = await self._load_events([change for change in changes if change.run_id in wanted])
        # Nothing is awaited in this loop, so no subscription can be added or removed meanwhile.
        for subscription, selection in self._subscriptions.items():
            # A selection that was added while the code above awaited Redis is not in `selected`; its subscriber finds
            # these changes in the log.
            runs = selected.get(selection, frozenset())
            for item in published if runs else ():
                if item.change.run_id in runs:
                    subscription.put(item)

    async def _select_runs(
        self, changes: Sequence[Change], selections: Iterable[Selection]
    ) -> dict[Selection, frozenset[str]]:
        """Returns, for each selection, the changed runs that it includes."""
        changed = sorted({change.run_id for change in changes})
        selected: dict[Selection, frozenset[str]] = {}
        # Many clients may follow the same runs, but their labels are looked up only once.
        for selection in set(selections):
            labelled = await self._runs_with_labels(changed, selection.labels) if selection.labels else frozenset[str]()
            selected[selection] = selection.runs.intersection(changed) | labelled
        return selected

    async def _runs_with_labels(self, runs: list[str], labels: Iterable[tuple[str, str]]) -> frozenset[str]:
        pipeline = self._redis.pipeline(transaction=False)
        for name, value in labels:
            pipeline.zmscore(self._keys.labelled(name, value), runs)
        scores: Any = await pipeline.execute()
        return frozenset(run for run, *found in zip(runs, *scores, strict=True) if None not in found)

    async def _load_events(self, changes: Sequence[Change]) -> list[PublishedEvent]:
        """Loads the events that the changes refer to, with one read per run. Leaves out events of deleted runs."""
        seqs_by_run: dict[str, list[int]] = {}
        for change in changes:
            seqs_by_run.setdefault(change.run_id, []).append(change.seq)
        pipeline = self._redis.pipeline(transaction=False)
        for run, seqs in seqs_by_run.items():
            # commit.lua gives each event the id `seq-0`, so the numbers are the bounds.
            pipeline.xrange(self._keys.log(run), f"{min(seqs)}-0", f"{max(seqs)}-0")
        logs: Any = await pipeline.execute() if seqs_by_run else []
        events = {
            (run, event.seq): event
            for run, entries in zip(seqs_by_run, logs, strict=True)
            for event in (wire.parse_event(entry_id, fields) for entry_id, fields in entries)
        }
        pairs = ((change, events.get((change.run_id, change.seq))) for change in changes)
        return [PublishedEvent(change, event) for change, event in pairs if event is not None]


def encode_frame(event: Event, *, event_id: str) -> bytes:
    """Encodes an event as a frame of server-sent events. Its JSON has no raw line breaks, which would end the frame."""
    return f"id: {event_id}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n".encode()


def parse_stream_id(entry_id: str) -> tuple[int, int]:
    """Parses a Redis stream id into numbers, which can be compared in the stream's order."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
