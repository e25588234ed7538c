"""A home that gets a store beside it: its files are copied at the first start, under the marker that Redis knows."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.errors import FolderNotShared
from bakehouse.runs.marker import check_folder, register_folder
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.runs.store import Store, connect
from bakehouse.runs.store_migration import migrate_home
from bakehouse.settings import Settings
from bakehouse.store.bucket import Bucket
from bakehouse.store.copies import find_copies, trim_copies
from bakehouse.store.errors import StoreAway
from bakehouse.store.file_store import FileStore
from bakehouse.store.open_store import open_store
from tests.bucket_server import BucketServer, objects_in, run_bucket
from tests.running_service import ROOT

RUN = "run_000000000001"
SOURCE = "uploads/data_000000000001/source"
PART = "uploads/data_000000000002/parts/1-abc"
PACKED = "datasets/packed/0123"
NAMED = "datasets/named/set@1.data_000000000001"


@pytest.fixture
def store(redis_url: str) -> Store:
    return Store(connect(redis_url, patient=False))


@pytest.fixture
def server() -> Iterator[BucketServer]:
    with run_bucket() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, store: Store) -> Settings:
    """A home with a run and data sets, whose files are in its own folder."""
    settings = Settings(home=tmp_path / "home")
    register_folder(settings, store)
    artifacts = Artifacts(settings.artifacts)
    artifacts.write_checkpoint(RUN, b"weights", {"epoch": 1})
    artifacts.write_resume(RUN, 7, {"tensors": b"state"})
    artifacts.write_log(RUN, ["line"])
    files = FileStore(settings.store_folder)
    for key in (SOURCE, PACKED):
        path = files.new_path(key)
        path.mkdir()
        (path / "manifest.json").write_text(key)
        files.put(key, path)
    for key in (PART, NAMED):
        path = files.new_path(key)
        path.write_text(key)
        files.put(key, path)
    return settings


def check_all(settings: Settings) -> None:
    artifacts = open_artifacts(settings)
    assert artifacts.checkpoint_path(RUN, hashlib.sha256(b"weights").hexdigest()).read_bytes() == b"weights"
    found = artifacts.newest_resume(RUN).state
    assert found is not None
    assert (found.step, found.files) == (7, {"tensors": b"state"})
    assert list(artifacts.read_log(RUN)) == ["line"]
    files = open_store(settings)
    for key in (SOURCE, PACKED):
        assert (files.local(key) / "manifest.json").read_text() == key
    for key in (PART, NAMED):
        with files.open(key) as file:
            assert file.read() == key.encode()


def trim(settings: Settings) -> int:
    """Deletes all copies of which the bucket has the whole; returns the bytes freed."""
    for path in find_copies(settings.home):
        os.utime(path, (1, 1))
    return trim_copies(settings.home, 0, Bucket(settings).has)


def elsewhere(settings: Settings) -> Settings:
    """The settings of another machine with the same store."""
    return settings.model_copy(update={"home": settings.home.parent / "other"})


@pytest.mark.parametrize("kind", ["bucket", "folder"])
def test_all_files_are_copied_once(
    kind: str, home: Settings, store: Store, server: BucketServer, tmp_path: Path
) -> None:
    after = server.settings(home.home) if kind == "bucket" else Settings(home=home.home, store=f"file://{tmp_path}/new")
    said: list[str] = []
    # Before, a service or a worker refuses the store: it would find none of the files.
    for refuse in (register_folder, check_folder):
        with pytest.raises(FolderNotShared, match="BAKEHOUSE_STORE=") as refused:
            refuse(after, store)
        # Without the key, a store without these files would be used.
        assert f"The files of the runs are in BAKEHOUSE_HOME={home.home}" in str(refused.value)
        assert "delete the key" not in str(refused.value)
    if kind == "bucket":
        assert trim(after) == 0
    migrate_home(after, said.append)
    assert said[0].startswith("copying the files of BAKEHOUSE_HOME=")
    register_folder(after, store)
    check_all(after)
    check_all(elsewhere(after))
    check_folder(elsewhere(after), store)
    check_all(home)
    if kind == "bucket":
        assert trim(after) > 0
        check_all(after)
    said.clear()
    migrate_home(after, said.append)
    assert said == []


def test_a_copy_that_was_interrupted_is_carried_on(home: Settings, store: Store, server: BucketServer) -> None:
    after = server.settings(home.home)
    server.refuses = lambda method, path: "datasets" in path
    server.refusal = 403, "AccessDenied"
    with pytest.raises(StoreAway, match="has no right"):
        migrate_home(after, print)
    assert open_artifacts(after).marker() is None
    server.refusal = None
    before = objects_in(after)
    migrate_home(after, print)
    register_folder(after, store)
    check_all(elsewhere(after))
    assert before.items() <= objects_in(after).items()


def test_a_service_whose_copy_stops_says_so_and_ends(home: Settings, redis_url: str, server: BucketServer) -> None:
    after = server.settings(home.home, redis_url=redis_url)
    server.refuses = lambda method, path: "datasets" in path
    server.refusal = 507, "InsufficientStorage"
    chosen = after.model_dump(include={"redis_url", "home", "store", "store_endpoint", "s3_credentials"})
    environment = {f"BAKEHOUSE_{name.upper()}": str(value) for name, value in chosen.items()} | {"BAKEHOUSE_PORT": "0"}
    command = [sys.executable, "-m", "service"]
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert "has stopped: the bucket bakehouse-tests is full. Start the service again" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_store_that_is_in_use_gets_nothing(home: Settings, store: Store, server: BucketServer) -> None:
    after = server.settings(home.home)
    open_artifacts(elsewhere(after)).make_marker()
    migrate_home(after, print)
    assert list(objects_in(after)) == ["marker"]
    with pytest.raises(FolderNotShared, match="has a different marker"):
        register_folder(after, store)


def test_a_new_home_has_nothing_to_copy(tmp_path: Path, store: Store, server: BucketServer) -> None:
    after = server.settings(tmp_path / "new")
    migrate_home(after, print)
    assert objects_in(after) == {}
    register_folder(after, store)
    check_folder(elsewhere(after), store)
    # The home itself is no longer the place of the files.
    with pytest.raises(FolderNotShared):
        check_folder(Settings(home=after.home), store)
