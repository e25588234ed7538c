"""Which folder a service names, and which processes refuse to work with another."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.errors import FolderNotShared
from bakehouse.runs.keys import Keys
from bakehouse.runs.marker import check_folder, register_folder
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings


@pytest.fixture
def redis(redis_url: str) -> Redis:
    return connect(redis_url, patient=False)


@pytest.fixture
def store(redis: Redis) -> Store:
    return Store(redis)


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "there")


def marker_of(settings: Settings) -> str | None:
    return Artifacts(settings.artifacts).marker()


def test_a_worker_that_was_first_waits_for_the_service_to_name_a_folder(
    store: Store, here: Settings, there: Settings
) -> None:
    check_folder(there, store)
    register_folder(here, store)
    check_folder(here, store)
    with pytest.raises(FolderNotShared) as refused:
        check_folder(there, store)
    assert f"BAKEHOUSE_HOME={there.home} of this worker is not the folder" in str(refused.value)
    assert f":{here.home};" in str(refused.value)
    assert "this one has no readable marker" in str(refused.value)
    assert not there.home.exists()


def test_the_folder_of_another_service_has_another_marker(
    redis: Redis, store: Store, here: Settings, there: Settings
) -> None:
    register_folder(there, store)
    redis.delete(Keys().marker())
    register_folder(here, store)
    for refuse in (check_folder, register_folder):
        with pytest.raises(FolderNotShared, match="this one has a different marker"):
            refuse(there, store)


def test_an_emptied_redis_gets_the_marker_that_the_folder_has(redis: Redis, store: Store, here: Settings) -> None:
    register_folder(here, store)
    before = marker_of(here)
    redis.flushall()
    register_folder(here, store)
    assert before is not None
    assert marker_of(here) == before
    check_folder(here, store)


def test_a_service_with_a_new_folder_refuses_until_the_old_one_is_given_up(
    redis: Redis, store: Store, here: Settings, there: Settings
) -> None:
    register_folder(here, store)
    with pytest.raises(FolderNotShared, match=f"delete the key {Keys().marker()}"):
        register_folder(there, store)
    assert not there.home.exists()
    redis.delete(Keys().marker())
    register_folder(there, store)
    check_folder(there, store)


def test_several_services_may_start_at_once_in_one_new_folder(store: Store, here: Settings) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: register_folder(here, store), range(32)))
    check_folder(here, store)


def test_of_services_in_several_new_folders_one_wins(store: Store, tmp_path: Path) -> None:
    def is_accepted(number: int) -> bool:
        try:
            register_folder(Settings(home=tmp_path / str(number)), store)
        except FolderNotShared:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(is_accepted, range(8))) == 1
