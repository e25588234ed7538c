"""Files are written whole or not at all, wherever a writer is killed."""

import errno
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bakehouse.runs import artifacts as artifacts_module
from bakehouse.runs.artifacts import UNFINISHED, Artifacts
from bakehouse.runs.errors import StorageFull, StorageUnavailable
from tests.runs.examples import a_run

RUN = "run_abcdefgh2345"
WEIGHTS = b"weights" * 100
DIGEST = sha256(WEIGHTS).hexdigest()
STATE = {"model.safetensors": b"m" * 500, "state.json": b"{}"}

# Every call through which a write reaches the disk.
BOUNDARIES: list[tuple[Any, str]] = [(os, "fsync"), (Path, "rename"), (Path, "mkdir"), (Path, "open")]


class Killed(BaseException):
    """Stands for kill -9, which no code can handle."""


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path)


def fail_at(monkeypatch: pytest.MonkeyPatch, call: int, error: Callable[[], BaseException], *, times: int = 1) -> None:
    """Makes `times` calls fail, from the given call on, counted over all boundaries."""
    count = 0

    def failing(original: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if call <= count < call + times:
                raise error()
            return original(*arguments, **options)

        return instead

    for owner, name in BOUNDARIES:
        monkeypatch.setattr(owner, name, failing(getattr(owner, name)))


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def manifest_of(artifacts: Artifacts) -> dict[str, Any]:
    path = artifacts.checkpoint_path(RUN, DIGEST).with_name("manifest.json")
    manifest: dict[str, Any] = json.loads(path.read_bytes())
    return manifest


def resume_folder(root: Path, name: str) -> Path:
    return root / "local" / RUN / "resume" / name


def test_a_checkpoint_is_found_by_its_digest(artifacts: Artifacts) -> None:
    stored = artifacts.write_checkpoint(RUN, WEIGHTS, {"epoch": 3})
    assert (stored.sha256, stored.bytes) == (DIGEST, len(WEIGHTS))
    assert artifacts.checkpoint_path(RUN, DIGEST).read_bytes() == WEIGHTS
    manifest = manifest_of(artifacts)
    assert manifest["epoch"] == 3
    assert manifest["files"]["model.safetensors"] == {"bytes": len(WEIGHTS), "sha256": DIGEST}


def test_the_same_weights_again_are_the_same_untouched_file(artifacts: Artifacts) -> None:
    artifacts.write_checkpoint(RUN, WEIGHTS, {"epoch": 3})
    before = artifacts.checkpoint_path(RUN, DIGEST).stat()
    artifacts.write_checkpoint(RUN, WEIGHTS, {"epoch": 4})
    after = artifacts.checkpoint_path(RUN, DIGEST).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert manifest_of(artifacts)["epoch"] == 3


def test_a_damaged_checkpoint_is_written_again(artifacts: Artifacts) -> None:
    artifacts.write_checkpoint(RUN, WEIGHTS, {})
    flip_a_bit(artifacts.checkpoint_path(RUN, DIGEST))
    artifacts.write_checkpoint(RUN, WEIGHTS, {})
    assert artifacts.checkpoint_path(RUN, DIGEST).read_bytes() == WEIGHTS


def test_another_writer_of_the_same_weights_wins(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.rename

    def overtaken(path: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", original)
        artifacts.write_checkpoint(RUN, WEIGHTS, {"by": "other"})
        return original(path, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    artifacts.write_checkpoint(RUN, WEIGHTS, {"by": "me"})
    assert manifest_of(artifacts)["by"] == "other"
    assert artifacts.sweep(RUN) == 0


def test_the_newest_resume_state_is_by_step_not_by_name(artifacts: Artifacts) -> None:
    for step in (900, 1000, 99):
        artifacts.write_resume(RUN, step, {**STATE, "step": str(step).encode()})
    found = artifacts.newest_resume(RUN)
    assert found.state is not None
    assert (found.state.step, found.state.files["step"], found.rejected) == (1000, b"1000", ())


def test_a_resume_state_that_goes_while_it_is_looked_for_is_none(artifacts: Artifacts) -> None:
    artifacts.write_resume(RUN, 5, STATE)
    folder = next(artifacts._resumes(RUN).iterdir())
    gone = folder.with_name("9" + folder.name[1:])
    gone.symlink_to("deleted")
    found = artifacts.newest_resume(RUN)
    assert found.state is not None
    assert found.state.step == 5


def test_without_a_resume_state_there_is_none(artifacts: Artifacts) -> None:
    found = artifacts.newest_resume(RUN)
    assert (found.state, found.rejected) == (None, ())


DAMAGE: dict[str, Callable[[Path], None]] = {
    "bit flip": lambda folder: flip_a_bit(folder / "model.safetensors"),
    "bit flip in the manifest": lambda folder: flip_a_bit(folder / "manifest.json"),
    "truncated": lambda folder: os.truncate(folder / "model.safetensors", 499),
    "file missing": lambda folder: (folder / "state.json").unlink(),
    "manifest missing": lambda folder: (folder / "manifest.json").unlink(),
    "manifest empty": lambda folder: os.truncate(folder / "manifest.json", 0),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_resume_state_is_named_and_the_older_one_used(
    artifacts: Artifacts, tmp_path: Path, damage: str
) -> None:
    older = artifacts.write_resume(RUN, 10, STATE)
    newer = artifacts.write_resume(RUN, 20, STATE)
    DAMAGE[damage](resume_folder(tmp_path, newer))
    found = artifacts.newest_resume(RUN)
    assert found.state is not None
    assert (found.state.name, found.state.files) == (older, STATE)
    assert [rejected.name for rejected in found.rejected] == [newer]
    assert found.rejected[0].reason


def test_only_the_last_two_resume_states_are_kept(artifacts: Artifacts) -> None:
    for step in (10, 20, 30, 40):
        artifacts.write_resume(RUN, step, STATE)
    assert artifacts.prune_resume_states(RUN) > 2 * 502
    assert artifacts.prune_resume_states(RUN) == 0
    found = artifacts.newest_resume(RUN)
    assert found.state is not None
    assert found.state.step == 40


@pytest.mark.parametrize(("status", "is_kept"), [("paused", True), ("queued", True), ("succeeded", False)])
def test_resume_states_go_when_their_run_is_over(artifacts: Artifacts, status: str, is_kept: bool) -> None:
    run = a_run().model_copy(update={"id": RUN, "status": status})
    for step in (10, 20):
        artifacts.write_resume(RUN, step, STATE)
    artifacts.clean_up_after(run)
    assert (artifacts.newest_resume(RUN).state is not None) == is_kept


@pytest.mark.parametrize("call", range(1, 20))
def test_a_writer_killed_anywhere_leaves_the_old_or_the_new(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    artifacts.write_resume(RUN, 10, STATE)
    with monkeypatch.context() as patch:
        fail_at(patch, call, Killed)
        try:
            artifacts.write_resume(RUN, 20, STATE)
        except Killed:
            finished = False
        else:
            finished = True
    found = artifacts.newest_resume(RUN)
    assert found.state is not None
    assert found.state.files == STATE
    assert found.state.step in ({20} if finished else {10, 20})
    assert found.rejected == ()
    artifacts.sweep(RUN)
    assert artifacts.sweep(RUN) == 0


@pytest.mark.parametrize("call", range(1, 20))
def test_a_checkpoint_killed_anywhere_is_written_by_the_next_attempt(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    with monkeypatch.context() as patch:
        fail_at(patch, call, Killed)
        with suppress(Killed):
            artifacts.write_checkpoint(RUN, WEIGHTS, {})
    artifacts.write_checkpoint(RUN, WEIGHTS, {})
    assert artifacts.checkpoint_path(RUN, DIGEST).read_bytes() == WEIGHTS


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which file a descriptor is")
def test_every_file_is_safe_on_disk_before_the_folder_gets_its_name(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def recorded_fsync(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def recorded_rename(path: Path, target: Path) -> Path:
        done.append("renamed")
        return rename(path, target)

    artifacts.write_resume(RUN, 10, STATE)
    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "rename", recorded_rename)
    artifacts.write_resume(RUN, 20, STATE)
    *files, renamed, parent = done
    assert {name for name in files if not name.endswith(UNFINISHED)} == {*STATE, "manifest.json"}
    assert len(files) == len(STATE) + 2
    assert (renamed, parent) == ("renamed", "resume")


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def unfinished(root: Path) -> list[Path]:
    return list(root.rglob(f"*{UNFINISHED}"))


@pytest.mark.parametrize("call", [1, 3, 5])
def test_a_disk_that_is_full_for_a_moment_is_tried_once_more(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    artifacts.write_resume(RUN, 10, STATE)
    fail_at(monkeypatch, call, full)
    artifacts.write_resume(RUN, 20, STATE)
    assert unfinished(tmp_path) == []


def test_a_full_disk_keeps_the_old_and_leaves_nothing_half_written(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = artifacts.write_resume(RUN, 10, STATE)
    with monkeypatch.context() as patch:
        fail_at(patch, 3, full, times=1000)
        with pytest.raises(StorageFull):
            artifacts.write_resume(RUN, 20, STATE)
    assert unfinished(tmp_path) == []
    found = artifacts.newest_resume(RUN)
    assert found.state is not None
    assert found.state.name == older


@pytest.mark.parametrize("name", ["EROFS", "EIO", "EACCES", "ESTALE", "ENOTCONN", "EPERM", "ENXIO"])
def test_a_store_that_cannot_be_written_is_unavailable_and_not_full(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    artifacts.write_resume(RUN, 10, STATE)
    number = getattr(errno, name)
    fail_at(monkeypatch, 1, lambda: OSError(number, os.strerror(number), str(tmp_path)), times=1000)
    with pytest.raises(StorageUnavailable, match=os.strerror(number)) as refused:
        artifacts.write_resume(RUN, 20, STATE)
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EFBIG"])
def test_a_store_without_room_is_full(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    artifacts.write_resume(RUN, 10, STATE)
    number = getattr(errno, name)
    fail_at(monkeypatch, 1, lambda: OSError(number, os.strerror(number)), times=1000)
    with pytest.raises(StorageFull, match="no more data"):
        artifacts.write_resume(RUN, 20, STATE)


def test_what_cannot_be_read_or_deleted_is_unavailable_too(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = artifacts.write_checkpoint(RUN, WEIGHTS, {})
    artifacts.write_resume(RUN, 10, STATE)
    for method in ("rename", "iterdir"):
        monkeypatch.setattr(Path, method, read_only)
    for use in (
        lambda: artifacts.newest_resume(RUN),
        lambda: artifacts.prune_resume_states(RUN, keep=0),
        lambda: artifacts.delete_checkpoint(RUN, stored.sha256),
        lambda: artifacts.delete_run(RUN),
    ):
        with pytest.raises(StorageUnavailable, match="Read-only file system"):
            use()


def read_only(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_run_that_is_over_stays_over_if_its_files_cannot_be_deleted(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    artifacts.write_resume(RUN, 10, STATE)
    monkeypatch.setattr(Path, "rename", read_only)
    artifacts.clean_up_after(a_run().model_copy(update={"id": RUN, "status": "cancelled"}))
    assert "Read-only file system" in caplog.text


def test_stray_files_and_folders_in_a_run_do_no_harm(artifacts: Artifacts, tmp_path: Path) -> None:
    stored = artifacts.write_checkpoint(RUN, WEIGHTS, {})
    name = artifacts.write_resume(RUN, 10, STATE)
    run = tmp_path / "local" / RUN
    kept = [run / "resume" / "lost+found", run / "resume" / ".snapshot", run / "checkpoints" / "nightly.tmp"]
    for stray in kept:
        stray.mkdir()
    files = [run / "resume" / "900-notes.txt", run / "resume" / ".nfs0001", run / "checkpoints" / "a.tmp", run / "x"]
    for stray in [*files, run / "resume" / name / "core", run / "checkpoints" / stored.sha256 / ".DS_Store"]:
        stray.touch()
    found = artifacts.newest_resume(RUN)
    assert found.state is not None
    assert (found.state.step, found.rejected) == (10, ())
    artifacts.write_resume(RUN, 20, STATE)
    artifacts.write_resume(RUN, 30, STATE)
    assert artifacts.prune_resume_states(RUN) > 0
    artifacts.sweep(RUN)
    artifacts.clean_up_after(a_run().model_copy(update={"id": RUN, "status": "succeeded"}))
    assert artifacts.newest_resume(RUN).state is None
    assert all(stray.exists() for stray in [*kept, *files])
    assert artifacts.delete_run(RUN) > len(WEIGHTS)
    assert list((tmp_path / "local").iterdir()) == []


def test_a_file_in_the_place_of_a_checkpoint_is_replaced(artifacts: Artifacts, tmp_path: Path) -> None:
    place = tmp_path / "local" / RUN / "checkpoints" / DIGEST
    place.parent.mkdir(parents=True)
    place.touch()
    artifacts.write_checkpoint(RUN, WEIGHTS, {})
    assert artifacts.checkpoint_path(RUN, DIGEST).read_bytes() == WEIGHTS
    assert unfinished(tmp_path) == []


def test_something_that_cannot_be_deleted_does_not_keep_the_run(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts.write_resume(RUN, 10, STATE)
    monkeypatch.setattr(os, "rmdir", read_only)
    assert artifacts.delete_run(RUN) > len(WEIGHTS)
    assert not (tmp_path / "local" / RUN).exists()


def test_the_half_written_files_of_a_killed_writer_go_when_its_run_is_over(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts.write_resume(RUN, 10, STATE)
    with monkeypatch.context() as patch, suppress(Killed):
        fail_at(patch, 4, Killed)
        artifacts.write_resume(RUN, 20, STATE)
    assert len(unfinished(tmp_path)) == 1
    artifacts.clean_up_after(a_run().model_copy(update={"id": RUN, "status": "failed"}))
    assert unfinished(tmp_path) == []


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_free_space_is_checked_before_anything_is_written(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, artifacts_module.RESERVE_BYTES + 100))
    with pytest.raises(StorageFull) as refused:
        artifacts.write_checkpoint(RUN, WEIGHTS, {})
    assert refused.value.needed == artifacts_module.RESERVE_BYTES + len(WEIGHTS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_deletion_counts_what_it_frees(artifacts: Artifacts, tmp_path: Path) -> None:
    stored = artifacts.write_checkpoint(RUN, WEIGHTS, {})
    artifacts.write_resume(RUN, 10, STATE)
    held = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    freed = artifacts.delete_checkpoint(RUN, stored.sha256)
    assert freed > len(WEIGHTS)
    assert artifacts.delete_checkpoint(RUN, stored.sha256) == 0
    assert artifacts.delete_run(RUN) == held - freed
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_half_written_files_of_dead_attempts_are_swept(artifacts: Artifacts, tmp_path: Path) -> None:
    artifacts.write_resume(RUN, 10, STATE)
    stump = resume_folder(tmp_path, f"20-0123456789abcdef-0123456789abcdef{UNFINISHED}")
    stump.mkdir()
    (stump / "model.safetensors").write_bytes(b"half")
    found = artifacts.newest_resume(RUN)
    assert found.state is not None
    assert (found.state.step, found.rejected) == (10, ())
    assert artifacts.sweep(RUN) == 4
    assert not stump.exists()


@pytest.mark.parametrize("name", ["..", "run_../../../etc", "", "run_abcdefgh2345/.."])
def test_no_name_leads_out_of_the_store(artifacts: Artifacts, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        artifacts.delete_run(name)
    with pytest.raises(ValueError, match="name"):
        artifacts.checkpoint_path(RUN, name)


def test_a_folder_that_cannot_be_written_is_an_error(artifacts: Artifacts, tmp_path: Path) -> None:
    artifacts.check_writable()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    blocked = Artifacts(tmp_path / "file")
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match=r"Not a directory|File exists"):
        blocked.check_writable()


def test_files_are_synced_without_threads_if_there_is_no_memory_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    artifacts = Artifacts(tmp_path)
    stored = artifacts.write_checkpoint("run_222222222222", b"weights", {})
    assert artifacts.checkpoint_path("run_222222222222", stored.sha256).read_bytes() == b"weights"
