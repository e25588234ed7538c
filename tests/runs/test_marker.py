"""Which folder a service names, and which processes refuse to work with another."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from bakehouse.runs.artifacts import MANIFEST, Artifacts
from bakehouse.runs.errors import FolderNotShared, MarkerDamaged, MarkerNotFound
from bakehouse.runs.keys import Keys
from bakehouse.runs.marker import check_folder, register_folder
from bakehouse.runs.store import Store
from bakehouse.settings import Settings
from bakehouse.store.object_store import MARKER


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
    with pytest.raises(MarkerNotFound) as refused:
        check_folder(there, store)
    assert f"BAKEHOUSE_HOME={there.home} of this worker is not the folder" in str(refused.value)
    assert f":{here.home};" in str(refused.value)
    assert "this one has no readable marker" in str(refused.value)
    assert f"delete the key {Keys().marker()}" in str(refused.value)
    assert not there.home.exists()


def test_the_folder_of_another_service_has_another_marker(
    redis: Redis, store: Store, here: Settings, there: Settings
) -> None:
    register_folder(there, store)
    redis.delete(Keys().marker())
    register_folder(here, store)
    for refuse in (check_folder, register_folder):
        with pytest.raises(FolderNotShared, match="this one has a different marker") as refused:
            refuse(there, store)
        assert not isinstance(refused.value, MarkerNotFound)


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


def make_unreadable(settings: Settings) -> Path:
    """Replaces the marker's manifest by a link to itself, which cannot be opened; returns the place of the manifest."""
    manifest = settings.artifacts / "local" / MARKER / MANIFEST
    manifest.rename(manifest.with_name("moved"))
    manifest.symlink_to(manifest)
    return manifest


def test_a_marker_that_cannot_be_read_is_not_taken_for_a_missing_one(
    redis: Redis, store: Store, here: Settings
) -> None:
    register_folder(here, store)
    before = marker_of(here)
    manifest = make_unreadable(here)
    with pytest.raises(OSError, match="symbolic links"):
        check_folder(here, store)
    redis.flushall()
    # An emptied Redis is no reason to replace a marker that may be readable in a moment.
    with pytest.raises(OSError, match="symbolic links"):
        register_folder(here, store)
    manifest.with_name("moved").replace(manifest)
    register_folder(here, store)
    assert marker_of(here) == before
    check_folder(here, store)


def test_a_file_in_the_place_of_the_folder_is_no_marker(store: Store, here: Settings, there: Settings) -> None:
    register_folder(here, store)
    there.artifacts.parent.mkdir(parents=True)
    there.artifacts.write_text("")
    with pytest.raises(MarkerNotFound):
        check_folder(there, store)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"id": 1, "folder": "a:/b"}', b'{"id": "x"}', b"\xff"])
def test_a_damaged_key_in_redis_is_named_with_the_way_out(
    redis: Redis, store: Store, here: Settings, value: bytes
) -> None:
    register_folder(here, store)
    redis.set(Keys().marker(), value)
    for refuse in (check_folder, register_folder):
        with pytest.raises(MarkerDamaged, match=f"Delete the key {Keys().marker()}"):
            refuse(here, store)
    redis.delete(Keys().marker())
    register_folder(here, store)
    check_folder(here, store)
