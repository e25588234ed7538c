"""The files of checkpoints that are kept open for a moment."""

import asyncio
from pathlib import Path

import pytest

from service import open_checkpoints
from service.open_checkpoints import OpenCheckpoint, OpenCheckpoints
from tests.runs.examples import a_checkpoint


def opened(path: Path) -> OpenCheckpoint:
    path.write_bytes(b"weights")
    return OpenCheckpoint(a_checkpoint(2).checkpoint, path.open("rb"))


def test_a_file_is_kept_open_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_checkpoints, "KEEP_SECONDS", 0.05)

    async def keep() -> None:
        kept, one = OpenCheckpoints(), opened(tmp_path / "one")
        kept.put("run", "2", one)
        assert kept.get("run", "2") is one
        assert kept.get("run", "3") is None
        with one.duplicate() as duplicate:
            await asyncio.sleep(0.1)
            assert kept.get("run", "2") is None
            assert one.file.closed
            assert duplicate.read() == b"weights"

    asyncio.run(keep())


def test_a_file_that_was_deleted_or_replaced_is_not_found(tmp_path: Path) -> None:
    async def replace_and_delete() -> None:
        kept, one = OpenCheckpoints(), opened(tmp_path / "one")
        kept.put("run", "2", one)
        (tmp_path / "another").write_bytes(b"damaged")
        (tmp_path / "another").rename(tmp_path / "one")
        assert kept.get("run", "2") is None
        with opened(tmp_path / "one").file as file:
            again = OpenCheckpoint(one.checkpoint, file)
            kept.put("run", "2", again)
            assert one.file.closed
            assert kept.get("run", "2") is again
            (tmp_path / "one").unlink()
            assert kept.get("run", "2") is None

    asyncio.run(replace_and_delete())


def test_the_number_of_open_files_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_checkpoints, "MAX_FILES", 2)
    monkeypatch.setattr(open_checkpoints, "KEEP_SECONDS", 0.05)

    async def open_three() -> None:
        kept = OpenCheckpoints()
        files = {run: opened(tmp_path / run) for run in ("first", "second", "third")}
        for run, each in files.items():
            kept.put(run, "2", each)
        assert [kept.get(run, "2") is None for run in files] == [True, False, False]
        assert files["first"].file.closed
        await asyncio.sleep(0.1)
        assert all(each.file.closed for each in files.values())

    asyncio.run(open_three())
