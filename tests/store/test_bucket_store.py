"""The store in a bucket: what is put on one machine is read on another, whole, once, and until it is deleted."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakehouse.store import bucket_lock
from bakehouse.store.bucket import PART_BYTES, Bucket
from bakehouse.store.bucket_folders import HIDDEN_MANIFEST
from bakehouse.store.bucket_store import BucketStore
from bakehouse.store.errors import StoreAway
from bakehouse.store.object_store import MARKER
from tests.bucket_server import BucketServer, run_bucket


@pytest.fixture
def server() -> Iterator[BucketServer]:
    with run_bucket() as server:
        yield server


@pytest.fixture
def bucket(server: BucketServer, tmp_path: Path) -> Bucket:
    bucket = Bucket(server.settings(tmp_path / "home", "/prefix"))
    bucket.create(MARKER, b"{}")
    return bucket


@pytest.fixture
def here(bucket: Bucket, tmp_path: Path) -> BucketStore:
    return BucketStore(bucket, tmp_path / "here")


@pytest.fixture
def there(bucket: Bucket, tmp_path: Path) -> BucketStore:
    return BucketStore(bucket, tmp_path / "there")


def put(store: BucketStore, key: str, content: bytes) -> bool:
    path = store.new_path(key)
    path.write_bytes(content)
    is_new = store.put(key, path)
    assert not path.exists()
    return is_new


def put_folder(store: BucketStore, key: str, **files: bytes) -> bool:
    path = store.new_path(key)
    path.mkdir()
    for name, content in files.items():
        (path / name).parent.mkdir(exist_ok=True, parents=True)
        (path / name).write_bytes(content)
    return store.put(key, path)


@pytest.mark.parametrize("size", [5, PART_BYTES + 5])
def test_a_file_is_put_once_and_read_everywhere(here: BucketStore, there: BucketStore, size: int) -> None:
    assert put(here, "a/b/1", b"x" * (size - 1) + b"1")
    assert not put(there, "a/b/1", b"2")
    with there.open("a/b/1", start=size - 2) as file:
        assert file.read() == b"x1"
    assert there.names("a/b") == ["1"]
    assert there.names("a") == ["b"]
    assert list(there.sizes("a/b/1")) == [size]
    assert 0 <= there.age_seconds("a/b") < 60
    assert there.delete("a/b/1") == size
    assert here.delete("a/b/1") == 0
    assert here.names("a/b") == []
    with pytest.raises(FileNotFoundError):
        here.open("a/b/1")


def test_a_folder_is_put_once_and_read_everywhere(here: BucketStore, there: BucketStore, server: BucketServer) -> None:
    # A user's file may have the name of our manifest.
    assert put_folder(here, "packed/x", **{"manifest.json": b"first", "deep/er": b"12"})
    assert not put_folder(there, "packed/x", **{"manifest.json": b"second"})
    folder = there.local("packed/x")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files == {"manifest.json": b"first", "deep/er": b"12"}
    server.requests.clear()
    assert here.local("packed/x") != there.local("packed/x")
    assert server.requests == []
    assert sorted(there.sizes("packed/x")) == [2, 5]
    assert there.delete("packed") > 7
    with pytest.raises(FileNotFoundError):
        there.local("packed/x")


def test_the_only_copies_of_a_home_that_is_being_copied_stay(here: BucketStore, bucket: Bucket) -> None:
    put_folder(here, "packed/x", data=b"1")
    bucket.delete([MARKER])
    assert here.delete("packed/x") > 0
    assert (here.local("packed/x") / "data").read_bytes() == b"1"
    bucket.create(MARKER, b"{}")
    here.delete("packed/x")
    with pytest.raises(FileNotFoundError):
        here.local("packed/x")


def test_a_folder_without_its_manifest_is_not_there(here: BucketStore, there: BucketStore, bucket: Bucket) -> None:
    bucket.put("packed/x/data", b"1")
    with pytest.raises(FileNotFoundError):
        there.local("packed/x")
    assert put_folder(here, "packed/x", data=b"22")
    assert (there.local("packed/x") / "data").read_bytes() == b"22"


@pytest.mark.parametrize("content", [b"23", b"1"])
def test_a_damaged_folder_is_not_read(here: BucketStore, there: BucketStore, bucket: Bucket, content: bytes) -> None:
    put_folder(here, "packed/x", data=b"22")
    bucket.put("packed/x/data", content)
    with pytest.raises(StoreAway, match=r"damaged: (data has 1 bytes|the digest of data)"):
        there.local("packed/x")
    assert not (Path(str(there.new_path("packed/x"))).parent / "x").exists()


def test_a_manifest_never_leads_out_of_its_folder(there: BucketStore, bucket: Bucket) -> None:
    entry = '{"bytes": 1, "sha256": "' + 64 * "0" + '"}'
    for name in ("../x", "/x", "a//b", "a/../b"):
        bucket.put(f"packed/x/{HIDDEN_MANIFEST}", f'{{"files": {{"{name}": {entry}}}}}'.encode())
        with pytest.raises(StoreAway, match="manifest cannot be read"):
            there.local("packed/x")


def test_one_process_holds_a_lock_at_a_time(here: BucketStore, there: BucketStore) -> None:
    inside = 0
    most = 0

    def work(store: BucketStore) -> None:
        nonlocal inside, most
        for _ in range(3):
            with store.lock("a/b"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.02)
                inside -= 1

    threads = [threading.Thread(target=work, args=(store,)) for store in (here, there)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert here.names("locks") == []


def test_the_lock_of_a_process_that_was_killed_is_taken_once(
    here: BucketStore, there: BucketStore, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_lock, "LOST_SECONDS", 1.0)
    bucket.put("locks/a", b"somebody 1")
    times = []

    def work(store: BucketStore) -> None:
        with store.lock("a"):
            started = time.monotonic()
            time.sleep(0.5)
            times.append((started, time.monotonic()))

    threads = [threading.Thread(target=work, args=(store,)) for store in (here, there)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = sorted(times)
    assert first[1] <= second[0]


@pytest.mark.parametrize("key", ["../a", "a/../b", "/a", "a//b", ".hidden", "a b", ""])
def test_a_key_never_leads_out_of_the_prefix(here: BucketStore, key: str) -> None:
    for use in (here.delete, here.names, here.open, here.local):
        with pytest.raises(ValueError, match="not a key"):
            use(key)
