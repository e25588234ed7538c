"""The hub in this process, with a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ConnectionError as RedisUnreachable

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.keys import Keys
from bakehouse.runs.logs import ChangePage, ChangeRange, Logs
from bakehouse.runs.store import Store, connect
from service.frames import Batch
from service.hub import BLOCK_MS, MAX_PENDING, ChangesLost, Hub, Selection, Subscription, end_task
from service.streams import RunFollower
from tests.fake_worker import FakeWorker
from tests.processes import LIMIT_SECONDS, wait_until
from tests.runs.examples import a_run, last_change


@pytest.fixture
def worker(redis_url: str, tmp_path: Path) -> FakeWorker:
    return FakeWorker(Store(connect(redis_url, patient=False)), Artifacts(tmp_path))


@pytest.fixture
def run_id(worker: FakeWorker) -> str:
    run_id = worker.store.create(a_run()).run.id
    worker.claim(run_id)
    return run_id


def use_hub(redis_url: str, use: Callable[[Hub], Coroutine[Any, Any, None]], logs: Logs) -> None:
    """Runs a hub that listens, and a function that uses it."""

    async def listen_and_use() -> None:
        async with AsyncRedis.from_url(redis_url) as reader, asyncio.timeout(LIMIT_SECONDS), listening(reader) as hub:
            await use(hub)

    @asynccontextmanager
    async def listening(reader: "AsyncRedis") -> AsyncIterator[Hub]:
        hub = Hub(reader, Keys(), logs)
        task = asyncio.create_task(hub.listen())
        await hub.wait_until_ready()
        yield hub
        await end_task(task)

    asyncio.run(listen_and_use())


async def take(subscription: Subscription, count: int) -> list[Batch]:
    """Returns batches with at least so many events."""
    batches: list[Batch] = []
    while sum(len(batch.items) for batch in batches) < count:
        batches += [batch for batch in await subscription.take() if batch.items]
    return batches


def seqs(batches: Sequence[Batch]) -> list[int]:
    return [item.event.seq for batch in batches for item in batch.items]


class BusyLogs(Logs):
    """Logs of a run that logs a step before every read of the change stream."""

    def __init__(self, worker: FakeWorker, run_id: str) -> None:
        super().__init__(worker.store._redis, Keys(), worker.artifacts)
        self.worker = worker
        self.run_id = run_id
        self.step = 0

    def changes(self, ranges: Sequence[ChangeRange], limit: int) -> list[ChangePage]:
        self.step += 1
        self.worker.log_steps(self.run_id, self.step, self.step)
        return super().changes(ranges, min(limit, 1))


def test_a_replay_ends_where_its_subscription_begins_however_busy_the_run_is(
    redis_url: str, worker: FakeWorker, run_id: str
) -> None:
    async def use(hub: Hub) -> None:
        selection = Selection(runs=frozenset({run_id}))
        async with hub.subscribe(selection) as subscription:
            replayed = [batch async for batch in hub.replay(selection, after="0-0", last=subscription.position)]
            new = await take(subscription, 1)
        assert seqs(replayed) == [1, 2]
        assert seqs(new)[0] == 3

    assert worker.store.head(run_id) == 2
    use_hub(redis_url, use, BusyLogs(worker, run_id))


def test_readers_of_equal_selection_share_each_batch(redis_url: str, worker: FakeWorker, run_id: str) -> None:
    async def use(hub: Hub) -> None:
        one = Selection(runs=frozenset({run_id}))
        same = Selection(runs=frozenset([run_id]))
        other = Selection(runs=frozenset({"run_other"}))
        async with hub.subscribe(one) as first, hub.subscribe(same) as second, hub.subscribe(other) as third:
            worker.log_steps(run_id, 1, 5)
            batches = [await take(first, 5), await take(second, 5)]
            assert seqs(batches[0]) == [3, 4, 5, 6, 7]
            assert all(mine is yours for mine, yours in zip(*batches, strict=True))
            assert third._pending == []
        assert (hub._subscriptions, hub._followers) == ({}, {})

    use_hub(redis_url, use, worker.store.logs)


def test_a_heartbeat_is_an_event_without_data_or_id(redis_url: str, worker: FakeWorker, run_id: str) -> None:
    async def use(hub: Hub) -> None:
        async with hub.subscribe(Selection(runs=frozenset({run_id}))) as subscription:
            batches = await take(subscription, 0)
            # The end of a read of the change stream is the time for a heartbeat.
            await asyncio.to_thread(worker.log_steps, run_id, 1, 1)
            while not batches or batches[-1].items:
                batches += await subscription.take()
        frames = b"".join(RunFollower(hub, run_id, after=2).frames(batch) for batch in batches)
        answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=frames)
        step, heartbeat = EventSource(answer).iter_sse()
        assert (step.event, step.id) == ("step", "3")
        assert (heartbeat.event, heartbeat.data) == ("heartbeat", "")
        assert b"id" not in frames.split(b"\n\n")[1]

    use_hub(redis_url, use, worker.store.logs)


@pytest.mark.parametrize("turns", range(8))
def test_the_reader_ends_in_whatever_it_does(redis_url: str, worker: FakeWorker, turns: int) -> None:
    async def use(hub: Hub) -> None:
        task = asyncio.create_task(hub.listen())
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.wait_for(end_task(task), timeout=BLOCK_MS / 1000)
        assert task.done()

    use_hub(redis_url, use, worker.store.logs)


def test_a_subscriber_that_takes_nothing_is_closed_and_holds_no_events(
    redis_url: str, worker: FakeWorker, run_id: str
) -> None:
    async def use(hub: Hub) -> None:
        async with hub.subscribe(Selection(runs=frozenset({run_id}))) as subscription:
            for first in range(1, MAX_PENDING + 2, 1000):
                await asyncio.to_thread(worker.log_steps, run_id, first, first + 999)
            await asyncio.to_thread(wait_until, lambda: subscription.is_closed)
            assert subscription._pending == []

    use_hub(redis_url, use, worker.store.logs)


def test_changes_that_cannot_be_delivered_end_the_streams_and_do_not_stop_later_ones(
    redis_url: str, worker: FakeWorker, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use(hub: Hub) -> None:
        selection = Selection(runs=frozenset({run_id}))

        async def fail(*arguments: object) -> None:
            raise RuntimeError

        async with hub.subscribe(selection) as subscription:
            monkeypatch.setattr(hub, "_deliver", fail)
            await asyncio.to_thread(worker.log_steps, run_id, 1, 5)
            assert await subscription.take() == []
            assert subscription.is_closed
        monkeypatch.undo()
        async with hub.subscribe(selection) as subscription:
            await asyncio.to_thread(worker.log_steps, run_id, 6, 6)
            assert seqs(await take(subscription, 1)) == [8]

    use_hub(redis_url, use, worker.store.logs)


def test_streams_end_if_changes_were_trimmed_while_redis_could_not_be_read(
    redis_url: str, worker: FakeWorker, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use(hub: Hub) -> None:
        start = last_change(worker.store)

        async def fail(*arguments: object, **options: object) -> None:
            worker.log_steps(run_id, 1, 9)
            worker.store._redis.xtrim("local:changes", maxlen=2, approximate=False)
            monkeypatch.undo()
            raise RedisUnreachable

        selection = Selection(runs=frozenset({run_id}))
        async with hub.subscribe(selection) as subscription:
            monkeypatch.setattr(hub._redis, "xread", fail)
            # The read that is in progress ends with this event.
            worker.log_epoch(run_id, 1)
            while not subscription.is_closed:
                await subscription.take()
        async with hub.subscribe(selection) as subscription:
            with pytest.raises(ChangesLost):
                [batch async for batch in hub.replay(selection, after=start, last=subscription.position)]

    use_hub(redis_url, use, worker.store.logs)
