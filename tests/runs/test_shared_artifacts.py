"""The files of runs in a bucket: what one machine has written, another one reads; what is damaged or half written is
not used; and a store that is away is waited for by whoever is patient."""

import hashlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakehouse.runs.artifacts import MANIFEST, WEIGHTS, Artifacts
from bakehouse.runs.errors import LogDamaged, StorageUnavailable
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.runs.shared_artifacts import SharedArtifacts
from bakehouse.settings import Settings
from bakehouse.store.bucket import Bucket
from bakehouse.store.errors import StoreAway
from tests.bucket_server import BucketServer, objects_in, run_bucket

RUN = "run_000000000001"
WEIGHT_BYTES = b"the weights"
SHA256 = hashlib.sha256(WEIGHT_BYTES).hexdigest()
STATE = {"state.json": b"{}", "tensors": b"12345"}


@pytest.fixture
def server() -> Iterator[BucketServer]:
    with run_bucket() as server:
        yield server


@pytest.fixture
def settings(server: BucketServer, tmp_path: Path) -> Settings:
    return server.settings(tmp_path / "here", "/prefix")


@pytest.fixture
def bucket(settings: Settings) -> Bucket:
    return Bucket(settings)


@pytest.fixture
def here(settings: Settings) -> Artifacts:
    return open_artifacts(settings)


@pytest.fixture
def there(bucket: Bucket, tmp_path: Path) -> Artifacts:
    return SharedArtifacts(tmp_path / "there", bucket)


def test_a_checkpoint_is_read_on_another_machine(here: Artifacts, there: Artifacts, server: BucketServer) -> None:
    for _ in range(2):
        stored = here.write_checkpoint(RUN, WEIGHT_BYTES, {"epoch": 1})
        assert (stored.sha256, stored.bytes) == (SHA256, len(WEIGHT_BYTES))
    assert there.checkpoint_path(RUN, SHA256).read_bytes() == WEIGHT_BYTES
    server.requests.clear()
    for artifacts in (here, there):
        assert artifacts.checkpoint_path(RUN, SHA256).read_bytes() == WEIGHT_BYTES
    assert server.requests == []
    assert there.delete_checkpoint(RUN, SHA256) > 0
    assert here.delete_checkpoint(RUN, SHA256) == 0
    assert not here.checkpoint_path(RUN, SHA256).exists()


def test_the_newest_resume_state_is_found_wherever_it_was_written(here: Artifacts, there: Artifacts) -> None:
    here.write_resume(RUN, 10, STATE)
    there.write_resume(RUN, 20, STATE)
    found = here.newest_resume(RUN).state
    assert found is not None
    assert (found.step, found.files) == (20, STATE)
    here.write_resume(RUN, 30, STATE)
    here.prune_resume_states(RUN, keep=2)
    assert [name.partition("-")[0] for name in there._resume_states(RUN)] == ["30", "20"]
    there.prune_resume_states(RUN, keep=0)
    shutil.rmtree(here.attempts_folder(RUN).parent)
    assert here.newest_resume(RUN).state is None


@pytest.mark.parametrize("content", [None, b"", b"12346"])
def test_a_resume_state_that_is_damaged_is_rejected_for_an_older_one(
    here: Artifacts, there: Artifacts, bucket: Bucket, content: bytes | None
) -> None:
    here.write_resume(RUN, 10, STATE)
    name = here.write_resume(RUN, 20, STATE)
    key = f"runs/{RUN}/resume/{name}/tensors"
    if content is None:
        bucket.delete([key])
    else:
        bucket.put(key, content)
    found = there.newest_resume(RUN)
    assert found.state is not None
    assert found.state.step == 10
    assert [rejected.name for rejected in found.rejected] == [name]


def test_what_is_half_written_is_not_found_and_is_swept(here: Artifacts, there: Artifacts, bucket: Bucket) -> None:
    name = here.write_resume(RUN, 10, STATE)
    bucket.put(f"runs/{RUN}/resume/20-{'0' * 16}/tensors", b"12345")
    bucket.put(f"runs/{RUN}/checkpoints/{SHA256}/{WEIGHTS}", b"the wei")
    found = there.newest_resume(RUN)
    assert found.state is not None
    assert (found.state.name, found.rejected) == (name, ())
    assert not there.checkpoint_path(RUN, SHA256).exists()
    there.sweep(RUN)
    assert {each.key.rpartition("/")[0] for each in bucket.objects("runs")} == {f"runs/{RUN}/resume/{name}"}
    # The same weights are written over what a killed process has left.
    bucket.put(f"runs/{RUN}/checkpoints/{SHA256}/{WEIGHTS}", b"the wei")
    here.write_checkpoint(RUN, WEIGHT_BYTES, {})
    assert there.checkpoint_path(RUN, SHA256).read_bytes() == WEIGHT_BYTES


def test_a_log_that_is_being_written_is_not_swept(here: Artifacts, there: Artifacts, bucket: Bucket) -> None:
    here.write_log(RUN, ["first"])
    manifest = bucket.read(f"runs/{RUN}/log/{MANIFEST}")
    bucket.delete([f"runs/{RUN}/log/{MANIFEST}"])
    there.sweep(RUN)
    bucket.put(f"runs/{RUN}/log/{MANIFEST}", manifest)
    assert list(there.read_log(RUN)) == ["first"]


def test_damaged_weights_are_never_taken_for_the_sound_ones(here: Artifacts, there: Artifacts, bucket: Bucket) -> None:
    here.write_checkpoint(RUN, WEIGHT_BYTES, {})
    bucket.put(f"runs/{RUN}/checkpoints/{SHA256}/{WEIGHTS}", b"the weight5")
    with pytest.raises(StoreAway, match="a checkpoint in it is damaged"):
        there.checkpoint_path(RUN, SHA256)


def test_a_log_is_archived_replaced_and_read_elsewhere(here: Artifacts, there: Artifacts, bucket: Bucket) -> None:
    here.write_log(RUN, ["first", "second"])
    assert list(there.read_log(RUN)) == ["first", "second"]
    there.write_log(RUN, ["third"])
    assert list(here.read_log(RUN)) == ["third"]
    bucket.delete([f"runs/{RUN}/log/{MANIFEST}"])
    with pytest.raises(LogDamaged):
        list(here.read_log(RUN))


def test_a_deleted_run_leaves_nothing(here: Artifacts, there: Artifacts, settings: Settings) -> None:
    here.write_checkpoint(RUN, WEIGHT_BYTES, {})
    here.write_resume(RUN, 1, STATE)
    here.write_log(RUN, ["x"])
    assert there.delete_run(RUN) > len(WEIGHT_BYTES)
    assert objects_in(settings) == {}
    assert here.delete_run(RUN) > 0
    assert here.delete_run(RUN) == 0


def test_who_is_patient_waits_while_the_store_is_away(here: Artifacts, there: Artifacts, server: BucketServer) -> None:
    told: list[str] = []
    there.be_patient(lambda code, message: told.append(f"{code}: {message}"))
    server.refusal = 403, "ExpiredToken"
    threading.Timer(2.0, lambda: setattr(server, "refusal", None)).start()
    there.write_checkpoint(RUN, WEIGHT_BYTES, {})
    assert [each.partition(":")[0] for each in told] == ["store_away", "store_back"]
    assert "has expired" in told[0]
    assert here.checkpoint_path(RUN, SHA256).read_bytes() == WEIGHT_BYTES


def test_who_must_end_waits_no_longer(there: Artifacts, server: BucketServer) -> None:
    there.be_patient(lambda code, message: None)
    server.refusal = 403, "AccessDenied"
    threading.Timer(0.5, there.hurry, [0.5]).start()
    with pytest.raises(StorageUnavailable, match="has no right to do this"):
        there.write_resume(RUN, 1, STATE)
    assert there.prune_resume_states(RUN) == 0
    # It is on this machine, which may resume from it.
    server.refusal = None
    found = there.newest_resume(RUN).state
    assert found is not None
    assert found.files == STATE


def test_who_is_not_patient_is_told_at_once(here: Artifacts, server: BucketServer) -> None:
    server.refusal = 403, "AccessDenied"
    with pytest.raises(StorageUnavailable, match="has no right"):
        here.check_writable()
    with pytest.raises(StorageUnavailable, match="has no right"):
        here.delete_run(RUN)
    with pytest.raises(StoreAway):
        here.marker()


def test_a_disk_that_takes_no_copy_does_not_keep_files_from_the_store(
    here: Artifacts, bucket: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    without_disk = SharedArtifacts(tmp_path / "file", bucket)
    without_disk.write_checkpoint(RUN, WEIGHT_BYTES, {})
    without_disk.write_resume(RUN, 1, STATE)
    assert here.checkpoint_path(RUN, SHA256).read_bytes() == WEIGHT_BYTES
    found = here.newest_resume(RUN).state
    assert found is not None
    assert found.files == STATE


def test_the_marker_is_written_once_and_remembered(
    here: Artifacts, there: Artifacts, server: BucketServer, bucket: Bucket
) -> None:
    assert here.marker() is None
    marker = here.make_marker()
    assert there.make_marker() == marker
    server.refusal = 500, "InternalError"
    assert here.marker() == marker
    server.refusal = None
    bucket.put("marker", b"nonsense")
    assert SharedArtifacts(Path("/nowhere"), bucket).marker() is None
