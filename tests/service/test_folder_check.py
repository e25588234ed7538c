"""The service's folder is checked again and again, but not at every request."""

import asyncio
import errno
import shutil
from pathlib import Path

import pytest
from redis import Redis

from bakehouse.runs.artifacts import RESERVE_BYTES
from bakehouse.runs.errors import FolderNotShared, StorageFull, StorageUnavailable
from bakehouse.runs.keys import Keys
from bakehouse.runs.marker import check_folder, register_folder
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from service.folder_check import KEEP_SECONDS, RENEW_SECONDS, FolderCheck


class Clock:
    """A clock that a test sets."""

    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("service.folder_check.monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def redis(redis_url: str) -> Redis:
    return connect(redis_url, patient=False)


@pytest.fixture
def store(redis: Redis) -> Store:
    return Store(redis)


def test_a_request_waits_for_a_check_only_if_the_last_one_is_old(
    redis: Redis, store: Store, tmp_path: Path, clock: Clock
) -> None:
    async def run() -> None:
        folder_check = FolderCheck(Settings(home=tmp_path), store)
        await asyncio.gather(*(folder_check.check() for _ in range(9)))
        redis.delete(Keys().marker())
        await folder_check.check()
        assert folder_check._renewal is None
        clock.now += RENEW_SECONDS
        await folder_check.check()
        assert folder_check._renewal is not None
        await folder_check._renewal
        assert store.marker() is not None
        redis.delete(Keys().marker())
        clock.now += KEEP_SECONDS
        await folder_check.check()
        assert store.marker() is not None

    asyncio.run(run())


def test_a_refusal_is_not_kept(redis: Redis, store: Store, tmp_path: Path) -> None:
    here, there = Settings(home=tmp_path / "here"), Settings(home=tmp_path / "there")

    async def run() -> None:
        register_folder(here, store)
        folder_check = FolderCheck(there, store)
        with pytest.raises(FolderNotShared):
            await folder_check.check()
        redis.delete(Keys().marker())
        await folder_check.check()
        check_folder(there, store)

    asyncio.run(run())


def test_a_refusal_in_the_background_concerns_the_next_request(
    redis: Redis, store: Store, tmp_path: Path, clock: Clock
) -> None:
    async def run() -> None:
        folder_check = FolderCheck(Settings(home=tmp_path), store)
        await folder_check.check()
        redis.set(Keys().marker(), '{"id": "other", "folder": "there:/srv"}')
        clock.now += RENEW_SECONDS
        await folder_check.check()
        assert folder_check._renewal is not None
        await folder_check._renewal
        with pytest.raises(FolderNotShared):
            await folder_check.check()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.EROFS, StorageUnavailable), (errno.EIO, StorageUnavailable), (errno.ENOSPC, StorageFull)],
)
def test_a_folder_that_takes_no_new_files_is_noticed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[Exception]
) -> None:
    folder_check = FolderCheck(Settings(home=tmp_path), store)
    folder_check.check_now()

    def refuse(path: Path) -> None:
        raise OSError(number, "no", str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(expected):
        folder_check.check_now()


def test_the_reserve_of_the_disk_is_not_for_new_runs(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_check = FolderCheck(Settings(home=tmp_path), store)
    folder_check.check_now()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=RESERVE_BYTES))
    folder_check.check_now()
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=RESERVE_BYTES - 1))
    with pytest.raises(StorageFull, match=f"{RESERVE_BYTES:,}"):
        folder_check.check_now()
