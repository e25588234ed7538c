"""One blocking reader of the change stream for the whole process, fanned out to everybody who listens."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisSlow

from bakehouse.runs import wire
from bakehouse.runs.keys import Keys
from bakehouse.runs.run import Event
from bakehouse.runs.wire import Change

# Below the client's timeout of 10 s, which is there to notice a dead connection.
BLOCK_MS = 5000
CHUNK = 1000
# What comes within this time is sent together.
GATHER_SECONDS = 0.02
RETRY_SECONDS = 0.5
READY_SECONDS = 2.0
# A listener that is so far behind is cut off; it resumes from the log.
MAX_PENDING = 5000

log = logging.getLogger(__name__)


class RunEvent(Event):
    """An event with its run, as a stream of many runs carries it."""

    run_id: str


@dataclass(frozen=True)
class Published:
    """An event on its way to all listeners; each form of it is written once."""

    change: Change
    event: Event

    @cached_property
    def run_frame(self) -> bytes:
        """In the stream of its run."""
        return frame(self.event, entry_id=str(self.event.seq))

    @cached_property
    def shared_frame(self) -> bytes:
        """In a stream of many runs."""
        told = RunEvent(run_id=self.change.run_id, **dict(self.event))
        return frame(told, entry_id=self.change.id)


@dataclass(frozen=True)
class Selection:
    """Runs by their ids, and runs that have all of these labels, now or later."""

    runs: frozenset[str] = frozenset()
    labels: tuple[tuple[str, str], ...] = ()


class Subscription:
    """What one listener has not taken yet."""

    def __init__(self) -> None:
        self.is_over = False
        self._pending: list[Published] = []
        self._woken = asyncio.Event()

    def put(self, published: Published) -> None:
        """Never waits: who does not keep up is cut off."""
        if len(self._pending) >= MAX_PENDING:
            self.end()
        else:
            self._pending.append(published)
            self._woken.set()

    def end(self) -> None:
        """Nothing more comes; the listener resumes elsewhere."""
        self.is_over = True
        self._woken.set()

    async def take(self, seconds: float) -> list[Published]:
        """All that is there, at the latest after `seconds`; then perhaps nothing."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return []
        self._woken.clear()
        taken, self._pending = self._pending, []
        return taken


class Hub:
    """Listeners subscribe first, then read the log, then drop what they have: so nothing is missed."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._last = "0-0"
        self._heard = asyncio.Event()
        self._is_closed = False
        self._followers: dict[Subscription, Selection] = {}

    async def listen(self) -> None:
        """Until it is cancelled; Redis may come and go."""
        try:
            while True:
                try:
                    await self._hear()
                except RedisError as error:
                    log.warning("the change stream cannot be read: %s", type(error).__name__)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self.close()

    def close(self) -> None:
        """Ends all streams: they resume at another process."""
        self._is_closed = True
        for subscription in self._followers:
            subscription.end()

    async def ready(self) -> None:
        """Waits until the reader has its place in the stream."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._heard.wait()
        except TimeoutError as error:
            raise RedisSlow("the change stream cannot be read") from error

    @contextmanager
    def follow(self, selection: Selection) -> Iterator[Subscription]:
        """What happens from now on to the selected runs; call `ready` before."""
        subscription = Subscription()
        subscription.is_over = self._is_closed
        self._followers[subscription] = selection
        try:
            yield subscription
        finally:
            del self._followers[subscription]

    async def last_change(self) -> str:
        """The newest change's id."""
        entries: Any = await self._redis.xrevrange(self._keys.changes(), count=1)
        return wire.text(entries[0][0]) if entries else "0-0"

    async def is_trimmed(self, after: str) -> bool:
        """Whether changes beyond this id may be lost, or were never made: Redis may have lost its last second."""
        entries: Any = await self._redis.xrange(self._keys.changes(), count=1)
        if position(after) > position(await self.last_change()):
            return True
        if not entries or position(wire.text(entries[0][0])) <= position(after):
            return False
        information: Any = await self._redis.xinfo_stream(self._keys.changes())
        added = information.get("entries-added", information["length"])
        return bool(added > information["length"])

    async def replay(self, selection: Selection, after: str) -> AsyncIterator[list[Published]]:
        """What the stream holds beyond an id, chunk by chunk."""
        while changes := await self._read(after):
            chosen = await self._chosen(changes, [selection])
            yield await self._published([change for change in changes if change.run_id in chosen[selection]])
            after = changes[-1].id

    async def _hear(self) -> None:
        if not self._heard.is_set():
            self._last = await self.last_change()
            self._heard.set()
        changes = await self._read(self._last, block_ms=BLOCK_MS)
        if not changes:
            return
        await self._deliver(changes)
        self._last = changes[-1].id
        await asyncio.sleep(GATHER_SECONDS)

    async def _read(self, after: str, *, block_ms: int | None = None) -> list[Change]:
        answer: Any = await self._redis.xread({self._keys.changes(): after}, count=CHUNK, block=block_ms)
        return [wire.parse_change(entry_id, fields) for _, entries in answer or () for entry_id, fields in entries]

    async def _deliver(self, changes: Sequence[Change]) -> None:
        chosen = await self._chosen(changes, self._followers.values())
        wanted = frozenset[str]().union(*chosen.values())
        published = await self._published([change for change in changes if change.run_id in wanted])
        for subscription, selection in self._followers.items():
            # Who began to listen meanwhile reads these changes from the log.
            runs = chosen.get(selection, frozenset())
            for item in published if runs else ():
                if item.change.run_id in runs:
                    subscription.put(item)

    async def _chosen(
        self, changes: Sequence[Change], selections: Iterable[Selection]
    ) -> dict[Selection, frozenset[str]]:
        """The changed runs that each selection means."""
        changed = sorted({change.run_id for change in changes})
        chosen: dict[Selection, frozenset[str]] = {}
        for selection in set(selections):
            labelled = await self._labelled(changed, selection.labels) if selection.labels else frozenset[str]()
            chosen[selection] = selection.runs.intersection(changed) | labelled
        return chosen

    async def _labelled(self, runs: list[str], labels: Iterable[tuple[str, str]]) -> frozenset[str]:
        pipeline = self._redis.pipeline(transaction=False)
        for name, value in labels:
            pipeline.zmscore(self._keys.labelled(name, value), runs)
        scores: Any = await pipeline.execute()
        return frozenset(run for run, *found in zip(runs, *scores, strict=True) if None not in found)

    async def _published(self, changes: Sequence[Change]) -> list[Published]:
        """The events that the changes tell of, each run's log read once. Those of deleted runs are gone."""
        numbers: dict[str, list[int]] = {}
        for change in changes:
            numbers.setdefault(change.run_id, []).append(change.seq)
        pipeline = self._redis.pipeline(transaction=False)
        for run, seqs in numbers.items():
            pipeline.xrange(self._keys.log(run), f"{min(seqs)}-0", f"{max(seqs)}-0")
        logs: Any = await pipeline.execute() if numbers else []
        events = {
            (run, event.seq): event
            for run, entries in zip(numbers, logs, strict=True)
            for event in (wire.parse_event(entry_id, fields) for entry_id, fields in entries)
        }
        pairs = ((change, events.get((change.run_id, change.seq))) for change in changes)
        return [Published(change, event) for change, event in pairs if event is not None]


def frame(event: Event, *, entry_id: str) -> bytes:
    """One event on the wire; JSON has no line breaks of its own."""
    return f"id: {entry_id}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n".encode()


def position(entry_id: str) -> tuple[int, int]:
    """A stream id, to compare."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
