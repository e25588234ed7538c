"""The bucket: objects appear whole, of several writers one wins, and each refusal is explained in words."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bakehouse.store.access import KeyFile
from bakehouse.store.bucket import PART_BYTES, Bucket
from bakehouse.store.errors import StoreAway, StoreRefused
from tests.bucket_server import BUCKET, BucketServer, run_bucket


@pytest.fixture
def server() -> Iterator[BucketServer]:
    with run_bucket() as server:
        yield server


@pytest.fixture
def bucket(server: BucketServer, tmp_path: Path) -> Bucket:
    return Bucket(server.settings(tmp_path / "home", "/some/prefix"))


def test_an_object_is_written_read_listed_and_deleted(bucket: Bucket) -> None:
    bucket.put("a/b/1", b"first")
    bucket.put("a/b/2", b"second")
    bucket.put("ab", b"x")
    assert bucket.read("a/b/1") == b"first"
    assert bucket.read_range("a/b/2", 1, 3) == b"ec"
    assert bucket.names("a") == ["b"]
    assert bucket.names("") == ["a", "ab"]
    assert [(each.key, each.bytes) for each in bucket.objects("a")] == [("a/b/1", 5), ("a/b/2", 6)]
    bucket.delete(["a/b/1", "a/b/1", "a/never"])
    assert bucket.names("a/b") == ["2"]
    for read in (bucket.read, bucket.head):
        with pytest.raises(FileNotFoundError) as missing:
            read("a/b/1")
        assert not isinstance(missing.value, StoreAway)


def test_two_prefixes_do_not_see_each_other(server: BucketServer, bucket: Bucket, tmp_path: Path) -> None:
    other = Bucket(server.settings(tmp_path / "other", "/some/prefix2"))
    bucket.put("a", b"x")
    assert other.names("") == []
    assert Bucket(server.settings(tmp_path / "whole")).objects("")[0].key == "some/prefix/a"


def test_of_several_writers_one_creates_an_object(bucket: Bucket) -> None:
    with ThreadPoolExecutor(8) as threads:
        created = list(threads.map(lambda number: bucket.create("marker", str(number).encode()), range(8)))
    assert sum(created) == 1
    assert bucket.read("marker") == str(created.index(True)).encode()


def test_a_large_file_goes_and_comes_in_parts(server: BucketServer, bucket: Bucket, tmp_path: Path) -> None:
    content = bytes(range(256)) * (PART_BYTES // 128) + b"end"
    (tmp_path / "file").write_bytes(content)
    bucket.put("large", tmp_path / "file")
    assert bucket.head("large").bytes == len(content)
    server.requests.clear()
    bucket.download("large", tmp_path / "fetched", len(content))
    assert (tmp_path / "fetched").read_bytes() == content
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "RequestTimeTooSkewed", "the clock of this machine differs too much"),
        (403, "ExpiredToken", "has expired"),
        (403, "InvalidAccessKeyId", "does not know the access key"),
        (403, "SignatureDoesNotMatch", "does not have this secret"),
        (403, "AccessDenied", "has no right to do this"),
        (403, "SomethingNew", "is missing, or has no right"),
    ],
)
def test_a_refusal_is_explained(server: BucketServer, bucket: Bucket, status: int, code: str, words: str) -> None:
    server.refusal = status, code
    for request in (lambda: bucket.read("a"), lambda: bucket.put("a", b"x"), lambda: bucket.names("a")):
        with pytest.raises(StoreRefused, match=words) as refused:
            request()
        assert refused.value.strerror is not None
        # Its address and the access key are not for users.
        assert not {"127.0.0.1", "secret/", "Credential"} & set(refused.value.strerror.split())


def test_a_full_store_has_no_room(server: BucketServer, bucket: Bucket) -> None:
    server.refusal = 507, "XMinioStorageFull"
    with pytest.raises(StoreAway, match="is full") as full:
        bucket.put("a", b"x")
    assert full.value.errno == 28


def test_a_server_that_fails_or_is_not_there_is_away(server: BucketServer, bucket: Bucket, tmp_path: Path) -> None:
    nobody = Bucket(server.settings(tmp_path / "nobody", store_endpoint="http://127.0.0.1:1"))
    server.refusal = 500, "InternalError"
    for each in (bucket, nobody):
        with pytest.raises(StoreAway, match="does not answer as it should") as away:
            each.read("a")
        assert not isinstance(away.value, StoreRefused)


def test_a_bucket_that_does_not_exist_is_named(server: BucketServer, tmp_path: Path) -> None:
    bucket = Bucket(server.settings(tmp_path, store="s3://no-such-bucket/prefix"))
    for request in (lambda: bucket.read("a"), lambda: bucket.put("a", b"x"), lambda: bucket.names("a")):
        with pytest.raises(StoreRefused, match="there is no bucket no-such-bucket"):
            request()


def test_an_access_key_is_read_again(server: BucketServer, tmp_path: Path) -> None:
    settings = server.settings(tmp_path)
    assert settings.s3_credentials is not None
    key = KeyFile(settings.s3_credentials)
    assert key()["access_key_id"] == "key"
    settings.s3_credentials.write_text("[default]\naws_access_key_id = new\naws_secret_access_key = s\n")
    assert key()["access_key_id"] == "new"


@pytest.mark.parametrize("text", [None, "", "[default]\n", "[other]\naws_access_key_id = x\n", "\xff nonsense"])
def test_a_file_without_an_access_key_is_named(server: BucketServer, tmp_path: Path, text: str | None) -> None:
    settings = server.settings(tmp_path)
    assert settings.s3_credentials is not None
    settings.s3_credentials.unlink()
    if text is not None:
        settings.s3_credentials.write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreRefused, match="the file that BAKEHOUSE_S3_CREDENTIALS names"):
        Bucket(settings).read("a")


def test_the_settings_name_a_folder_or_a_bucket(tmp_path: Path, server: BucketServer) -> None:
    settings = server.settings(tmp_path)
    assert settings.bucket == f"s3://{BUCKET}"
    assert settings.artifacts == tmp_path / "artifacts"
