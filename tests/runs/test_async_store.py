"""Many requests in one event loop share round trips, and none of them notices the others."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import pytest
from redis import Redis
from redis.asyncio import ConnectionPool, UnixDomainSocketConnection
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import ResponseError

from bakehouse.runs.async_store import MAX_BATCH, AsyncStore, Batches, SharedReading, connect_async
from bakehouse.runs.commands import RequestAction
from bakehouse.runs.errors import RunNotFound, SourceRunDeleted
from bakehouse.runs.keys import Keys, digest
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.record import Idempotency
from bakehouse.runs.run import Page
from bakehouse.runs.scripts import Call
from bakehouse.runs.shown import CreatedRun
from bakehouse.runs.store import Store, connect
from tests.runs.examples import a_run, a_worker, changes_after

Result = TypeVar("Result")


def asynchronous_store(client: AsyncRedis, url: str) -> AsyncStore:
    return AsyncStore(client, WakeQueue(connect(url, patient=False)))


def with_async_store(url: str, use: Callable[[AsyncStore], Awaitable[Result]]) -> Result:
    """Runs a function in an event loop, with a store that is connected to the same Redis."""

    async def run() -> Result:
        async with connect_async(url) as client:
            return await use(asynchronous_store(client, url))

    return asyncio.run(run())


def test_both_stores_show_the_same(redis_url: str, store: Store) -> None:
    run = with_async_store(redis_url, lambda asynchronous: asynchronous.create(a_run(labels={"a": "b"}))).run
    assert run.run() == store.get(run.id)
    assert with_async_store(redis_url, lambda asynchronous: asynchronous.get(run.id)).run() == store.get(run.id)
    page = with_async_store(redis_url, lambda asynchronous: asynchronous.page(labels={"a": "b"}))
    assert Page.model_validate_json(page.json) == store.page(labels={"a": "b"})
    with pytest.raises(RunNotFound):
        with_async_store(redis_url, lambda asynchronous: asynchronous.get("run_nowhere"))


def test_requests_that_wait_share_a_round_trip(redis_url: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    execute = Batches._execute

    async def count(batches: Batches, calls: Sequence[Call], senders: int) -> list[Any]:
        sent.append(senders)
        return await execute(batches, calls, senders)

    async def create_many(asynchronous: AsyncStore) -> list[CreatedRun]:
        await asynchronous.create(a_run())
        sent.clear()
        return await asyncio.gather(*(asynchronous.create(a_run()) for _ in range(MAX_BATCH + 6)))

    monkeypatch.setattr(Batches, "_execute", count)
    created = with_async_store(redis_url, create_many)
    assert sent == [MAX_BATCH, 6]
    assert store.waiting()[1:] == [each.run.id for each in created]
    positions = [place.position for each in created if (place := each.run.run().queue)]
    assert positions == list(range(2, MAX_BATCH + 8))


def test_a_request_that_is_refused_disturbs_no_other(redis_url: str, store: Store, redis: Redis) -> None:
    source = store.create(a_run()).run.id
    store.command(source, RequestAction("cancel"))
    store.delete(source)
    # Redis refuses to read a list as the value of an idempotency key.
    redis.lpush(Keys().idempotency(digest("broken")), "x")

    async def create_all(asynchronous: AsyncStore) -> tuple[CreatedRun | BaseException, ...]:
        return await asyncio.gather(
            asynchronous.create(a_run()),
            asynchronous.create(a_run().model_copy(update={"depends_on": (source,)})),
            asynchronous.create(a_run(), idempotency=Idempotency("broken", "body")),
            asynchronous.create(a_run(), idempotency=Idempotency("key", "body")),
            asynchronous.create(a_run(), idempotency=Idempotency("key", "body")),
            return_exceptions=True,
        )

    first, deleted, broken, original, replayed = with_async_store(redis_url, create_all)
    assert isinstance(deleted, SourceRunDeleted)
    assert isinstance(broken, ResponseError)
    assert isinstance(first, CreatedRun)
    assert isinstance(original, CreatedRun)
    assert isinstance(replayed, CreatedRun)
    assert (original.replayed, replayed.replayed) == (False, True)
    assert replayed.run.id == original.run.id
    assert store.waiting() == [first.run.id, original.run.id]


class Cut(UnixDomainSocketConnection):
    """Loses the connection once, after some replies: Redis has carried out the whole batch."""

    replies_until_cut = -1

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        response = await super().read_response(*arguments, **options)
        # Only the script answers with a list of four.
        if isinstance(response, list) and len(response) == 4:
            Cut.replies_until_cut -= 1
            if Cut.replies_until_cut == -1:
                raise RedisAway("the connection was cut")
        return response


@pytest.mark.parametrize("replies", [0, 3, 9])
def test_a_connection_that_is_cut_within_a_batch_doubles_nothing(redis_url: str, store: Store, replies: int) -> None:
    async def create_all() -> list[CreatedRun]:
        path = redis_url.removeprefix("unix://")
        pool = ConnectionPool(connection_class=Cut, path=path, retry=Retry(NoBackoff(), retries=1))
        async with AsyncRedis(connection_pool=pool) as client:
            asynchronous = asynchronous_store(client, redis_url)
            await asynchronous.create(a_run())
            Cut.replies_until_cut = replies
            with_key = (asynchronous.create(a_run(), idempotency=Idempotency(str(key), "body")) for key in range(5))
            without = (asynchronous.create(a_run()) for _ in range(5))
            created = await asyncio.gather(*with_key, *without)
        await pool.disconnect()
        return created

    created = asyncio.run(create_all())
    assert Cut.replies_until_cut < 0
    assert not any(each.replayed for each in created)
    assert sorted(store.waiting()[1:]) == sorted(each.run.id for each in created)
    assert len(changes_after(store)) == 11
    assert all(each.run.run() == store.get(each.run.id) for each in created)


def test_a_redis_that_has_forgotten_the_script_gets_it_again(redis_url: str, store: Store, redis: Redis) -> None:
    redis.script_flush()

    async def create_all(asynchronous: AsyncStore) -> list[CreatedRun]:
        return await asyncio.gather(*(asynchronous.create(a_run()) for _ in range(3)))

    created = with_async_store(redis_url, create_all)
    assert sorted(store.waiting()) == sorted(each.run.id for each in created)


def test_a_batch_wakes_as_many_workers_as_there_are(redis_url: str, store: Store) -> None:
    async def create_many(asynchronous: AsyncStore) -> None:
        await asynchronous.create(a_run())
        await asyncio.gather(*(asynchronous.create(a_run()) for _ in range(9)))

    wake_queue = WakeQueue(connect(redis_url, patient=False))
    with_async_store(redis_url, create_many)
    assert wake_queue.pending() == 2
    for name in ("w1", "w2", "w3"):
        store.put_worker(a_worker(name), ttl=60)
    with_async_store(redis_url, create_many)
    assert wake_queue.pending() == 2 + 1 + 3


def test_a_shared_reading_begins_after_the_call() -> None:
    value = 0
    reads: list[int] = []
    has_begun = asyncio.Event()

    async def read() -> int:
        found = value
        reads.append(found)
        has_begun.set()
        await asyncio.sleep(0)
        return found

    async def run() -> None:
        nonlocal value
        shared = SharedReading(read)
        first = [asyncio.create_task(shared()) for _ in range(3)]
        await has_begun.wait()
        value = 1
        second = [asyncio.create_task(shared()) for _ in range(3)]
        assert await asyncio.gather(*first) == [0, 0, 0]
        second.pop().cancel()
        assert await asyncio.gather(*second) == [1, 1]
        assert reads == [0, 1]

    asyncio.run(run())


def test_an_error_of_a_shared_reading_is_raised_for_each_caller_and_not_kept() -> None:
    failing = True

    async def read() -> str:
        await asyncio.sleep(0)
        if failing:
            raise RedisAway("gone")
        return "read"

    async def run() -> None:
        nonlocal failing
        shared = SharedReading(read)
        failures = await asyncio.gather(shared(), shared(), return_exceptions=True)
        assert [type(failure) for failure in failures] == [RedisAway, RedisAway]
        failing = False
        assert await shared() == "read"

    asyncio.run(run())
