"""Reads the change stream once for the whole process and passes its events on to all subscribers.

sse-starlette is not used because it sends the events of one source to one client. Here one event may go to a thousand
clients, so it is read from Redis and encoded once, and a client that resumes must get exactly the events after the last
one it saw. sse-starlette does neither; it would only replace `EventStream` in service/streams.py.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.concurrency import run_in_threadpool

from bakehouse.runs import stream_entries, wire
from bakehouse.runs.errors import RunNotFound
from bakehouse.runs.keys import Keys
from bakehouse.runs.logs import START, ChangePage, ChangeRange, Head, LogRange, Logs
from bakehouse.runs.stream_entries import Change, StoredEvent
from service.batcher import Batcher
from service.frames import Batch, PublishedEvent

# Time for which a read waits in Redis; below the client's socket timeout of 10 s, which detects dead connections.
BLOCK_MS = 5000
MAX_CHANGES_PER_READ = 1000
# Changes that arrive within this time are sent together.
BATCH_SECONDS = 0.03
# A heartbeat is sent when a read of the change stream ends, so at most BLOCK_MS later than this.
HEARTBEAT_SECONDS = 10.0
CANCEL_AGAIN_SECONDS = 0.1
RETRY_SECONDS = 0.5
MAX_START_SECONDS = 2.0
# A subscriber with more pending events than this is disconnected; it resumes from the log.
MAX_PENDING = 5000

log = logging.getLogger(__name__)


class ChangesLost(Exception):
    """The change stream lacks changes after an id, because it was trimmed or Redis lost writes."""

    def __init__(self, last: str) -> None:
        super().__init__(f"the change stream lacks changes before {last}")
        self.last = last
        """The id of the newest change of which the stream knows."""


@dataclass(frozen=True)
class Selection:
    """Selects runs by their ids, and all runs that are in these indexes, now or later; and types of their events."""

    runs: frozenset[str] = frozenset()
    indexes: tuple[str, ...] = ()
    """The keys of sorted sets, such as that of the runs with a label; a selected run is in all of them."""
    all: bool = False
    """Whether every run is selected, now or later."""
    types: frozenset[str] = frozenset()
    """The types of the selected events; all types if it is empty."""

    def includes(self, item: PublishedEvent) -> bool:
        """Returns whether the event of a selected run has a selected type."""
        return not self.types or item.event.type in self.types


class Subscription:
    """The events that one subscriber has not taken yet."""

    def __init__(self, position: str, *, is_closed: bool) -> None:
        self.position = position
        """The id of a change; all later events come by this subscription."""
        self.is_closed = is_closed
        self._pending: list[Batch] = []
        self._pending_events = 0
        self._woken = asyncio.Event()
        self._send: Callable[[Batch], bool] | None = None

    def put(self, batch: Batch) -> None:
        """Adds events without blocking. Disconnects a subscriber that has fallen too far behind."""
        # A subscriber that waits has nothing pending, so the order is kept.
        if self._send is not None and not self._woken.is_set() and self._send(batch):
            return
        # A heartbeat counts too, because a client that does not read takes none.
        self._pending_events += len(batch.items) or 1
        if self._pending_events > MAX_PENDING:
            self.close()
        else:
            self._pending.append(batch)
            self._woken.set()

    def close(self) -> None:
        """Ends the subscription; the client resumes from the log, perhaps by way of another process."""
        self.is_closed = True
        self._pending = []
        self._woken.set()

    async def take(self, send: Callable[[Batch], bool] | None = None) -> list[Batch]:
        """Waits for events and returns all of them; returns an empty list if the subscription is closed.

        Events for which `send` returns True are sent already, and the wait continues.
        """
        self._send = send
        await self._woken.wait()
        self._send = None
        # Nothing is awaited from here to the end, so no event can be added in between and lost.
        self._woken.clear()
        batches = self._pending
        self._pending = []
        self._pending_events = 0
        return batches


class Hub:
    """Passes events on to subscribers, and reads what happened before they subscribed."""

    def __init__(self, redis: Redis, keys: Keys, logs: Logs) -> None:
        self._redis = redis
        self._keys = keys
        self._logs = logs
        # Many streams begin together when their clients reconnect, so their reads are sent together.
        self._heads: Batcher[str, Head | None] = Batcher(logs.heads)
        self._pasts: Batcher[LogRange, list[StoredEvent]] = Batcher(logs.events)
        self._pages: Batcher[ChangeRange, ChangePage] = Batcher(partial(logs.changes, limit=MAX_CHANGES_PER_READ))
        self._position = START
        self._may_lack_changes = False
        self._started = asyncio.Event()
        self._is_closed = False
        # Held during a delivery, so that a new subscription begins exactly at the hub's position.
        self._delivery = asyncio.Lock()
        self._subscriptions: dict[Selection, set[Subscription]] = {}
        self._followers: dict[str, set[Selection]] = {}
        self._next_heartbeat = 0.0

    async def listen(self) -> None:
        """Reads changes and delivers their events until the task is cancelled; retries while Redis is unavailable."""
        try:
            while True:
                try:
                    await self._read_and_deliver()
                except RedisError as error:
                    log.warning("cannot read the change stream: %s", type(error).__name__)
                    self._may_lack_changes = True
                    await asyncio.sleep(RETRY_SECONDS)
                self._send_heartbeats()
        finally:
            self.close()

    def close(self) -> None:
        """Ends all streams; their clients reconnect to another process."""
        self._is_closed = True
        self._close_all()

    async def wait_until_ready(self) -> None:
        """Waits until the reader knows its position in the change stream; from then on, subscriptions miss no event."""
        try:
            async with asyncio.timeout(MAX_START_SECONDS):
                await self._started.wait()
        except TimeoutError as error:
            raise RedisTimeoutError("cannot read the change stream") from error

    @asynccontextmanager
    async def subscribe(self, selection: Selection) -> AsyncIterator[Subscription]:
        """Yields a subscription that collects new events of the selected runs. Call `wait_until_ready` first.

        To miss no event, subscribe first, then read the log, then drop new events that were read.
        """
        async with self._delivery:
            # A stream that begins during the shutdown must end at once.
            subscription = Subscription(self._position, is_closed=self._is_closed)
            self._subscriptions.setdefault(selection, set()).add(subscription)
            for run_id in selection.runs:
                self._followers.setdefault(run_id, set()).add(selection)
        try:
            yield subscription
        finally:
            self._remove(selection, subscription)

    def _remove(self, selection: Selection, subscription: Subscription) -> None:
        self._subscriptions[selection].discard(subscription)
        if self._subscriptions[selection]:
            return
        del self._subscriptions[selection]
        for run_id in selection.runs:
            self._followers[run_id].discard(selection)
            if not self._followers[run_id]:
                del self._followers[run_id]

    # The past

    async def ping(self) -> None:
        """Raises redis's ConnectionError or TimeoutError if Redis does not answer."""
        await self._pages.ask(ChangeRange(self._position, self._position))

    async def head(self, run_id: str) -> Head:
        """Returns the end of a run's log. Raises RunNotFound."""
        head = await self._heads.ask(run_id)
        if head is None:
            raise RunNotFound(run_id)
        return head

    async def past(self, run_id: str, *, after: int, limit: int) -> list[StoredEvent]:
        """Returns the events of a run after the number `after`."""
        return await self._pasts.ask(LogRange(run_id, after, limit=limit))

    async def replay(self, selection: Selection, *, after: str, last: str) -> AsyncIterator[Batch]:
        """Yields the events after the change `after` and up to the change `last`. Raises ChangesLost."""
        while True:
            page = await self._pages.ask(ChangeRange(after, last))
            if page.bounds.lack_changes_after(after):
                raise ChangesLost(page.bounds.last)
            if not page.changes:
                return
            found = await self._find_listed([selection], page.changes)
            runs = selection.runs | found.get(selection, frozenset())
            selected = [change for change in page.changes if selection.all or change.run_id in runs]
            ranges = ranges_of(selected)
            logs = await asyncio.gather(*map(self._pasts.ask, ranges))
            if items := [item for item in join(selected, ranges, logs) if selection.includes(item)]:
                yield Batch(items)
            after = page.changes[-1].id

    # The present

    async def _read_and_deliver(self) -> None:
        if not self._started.is_set():
            entries: Any = await self._redis.xrevrange(self._keys.changes(), count=1)
            self._position = wire.text(entries[0][0]) if entries else START
            self._started.set()
        changes = await self._read()
        # A full page means that the hub lags behind; the stream may be trimmed before it catches up.
        if self._may_lack_changes or len(changes) == MAX_CHANGES_PER_READ:
            await self._check_position()
        if not changes:
            return
        async with self._delivery:
            await self._deliver_or_close(changes)
        # The subscribers that were woken run before this task continues, so the pause begins after they have sent, and
        # leaves time for other requests however many subscribers there are.
        await asyncio.sleep(0)
        await asyncio.sleep(BATCH_SECONDS)

    async def _read(self) -> list[Change]:
        reply: Any = await self._redis.xread(
            {self._keys.changes(): self._position}, count=MAX_CHANGES_PER_READ, block=BLOCK_MS
        )
        return [stream_entries.parse_change(*entry) for _, entries in reply or () for entry in entries]

    async def _check_position(self) -> None:
        page = await self._pages.ask(ChangeRange(self._position, self._position))
        self._may_lack_changes = False
        if page.bounds.lack_changes_after(self._position):
            log.warning("changes are missing from the change stream; all clients must reconnect")
            # A client that resumes gets a `reset`, because the stream lacks changes after its last id too.
            self._close_all()
            self._position = page.bounds.last

    async def _deliver_or_close(self, changes: Sequence[Change]) -> None:
        try:
            await self._deliver(changes)
        except RedisError:
            raise
        except Exception:
            # To try these changes again would stop all streams for good. Their clients reconnect and read the log.
            log.exception("cannot deliver changes; all clients must reconnect")
            self._close_all()
            self._position = changes[-1].id

    async def _deliver(self, changes: Sequence[Change]) -> None:
        of_all = {selection for selection in self._subscriptions if selection.all}
        followers = {change.run_id: of_all.union(self._followers.get(change.run_id, ())) for change in changes}
        by_index = [selection for selection in self._subscriptions if selection.indexes]
        for selection, runs in (await self._find_listed(by_index, changes)).items():
            for run_id in runs:
                followers[run_id].add(selection)
        ranges = ranges_of([change for change in changes if followers[change.run_id]])
        logs = await run_in_threadpool(self._logs.events, ranges)
        items: dict[Selection, list[PublishedEvent]] = {}
        for item in join(changes, ranges, logs):
            for selection in followers[item.change.run_id]:
                if selection.includes(item):
                    items.setdefault(selection, []).append(item)
        for selection, selected in items.items():
            batch = Batch(selected)
            # The last subscriber may have left while the log was read.
            for subscription in self._subscriptions.get(selection, ()):
                subscription.put(batch)
        # Set only after delivery: if Redis fails before, the same changes are read again.
        self._position = changes[-1].id

    async def _find_listed(
        self, selections: Sequence[Selection], changes: Iterable[Change]
    ) -> dict[Selection, frozenset[str]]:
        """Returns, for each selection by indexes, the changed runs that it includes."""
        indexes = sorted({index for selection in selections for index in selection.indexes})
        if not indexes:
            return {}
        runs = sorted({change.run_id for change in changes})
        listed = dict(zip(indexes, await run_in_threadpool(self._logs.listed, indexes, runs), strict=True))
        return {
            selection: frozenset.intersection(*(listed[index] for index in selection.indexes))
            for selection in selections
            if selection.indexes
        }

    def _close_all(self) -> None:
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.close()

    def _send_heartbeats(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next_heartbeat:
            return
        self._next_heartbeat = now + HEARTBEAT_SECONDS
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.put(Batch(()))


async def end_task(task: "asyncio.Task[None]") -> None:
    """Cancels a task and waits for its end."""
    while not task.done():
        # redis-py loses a cancellation that comes while it sends a command.
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)


def ranges_of(changes: Iterable[Change]) -> list[LogRange]:
    """Returns, for each changed run, the range of its log that has the events of all its changes."""
    seqs: dict[str, list[int]] = {}
    for change in changes:
        seqs.setdefault(change.run_id, []).append(change.seq)
    return [LogRange(run_id, min(numbers) - 1, last=max(numbers)) for run_id, numbers in seqs.items()]


def join(
    changes: Iterable[Change], ranges: Iterable[LogRange], logs: Iterable[Iterable[StoredEvent]]
) -> list[PublishedEvent]:
    """Returns each change with its event. Of deleted runs, only the deletion is left."""
    changes = list(changes)
    events = {(wanted.run_id, event.seq): event for wanted, log in zip(ranges, logs, strict=True) for event in log}
    events |= {
        (change.run_id, change.seq): stream_entries.deletion_event(change.seq, change.deleted)
        for change in changes
        if change.deleted is not None
    }
    pairs = ((change, events.get((change.run_id, change.seq))) for change in changes)
    return [PublishedEvent(change, event) for change, event in pairs if event is not None]
