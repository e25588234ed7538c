"""Downloads over connections that are cut."""

import hashlib
import os
from pathlib import Path

import pytest

from bakehouse.client import Client, ClientRun, DownloadDamaged, NotFound
from tests.client.conftest import CutUrl, through
from tests.fake_worker import FakeWorker

RECIPE = {"dataset": "digits", "architecture": "mlp"}
WEIGHTS = os.urandom(300_000)


@pytest.fixture
def run(client: Client, worker: FakeWorker) -> ClientRun:
    """A finished run."""
    run = client.submit(RECIPE)
    worker.train(run.id, [0.5, 0.4], weights=WEIGHTS)
    return run.refresh()


@pytest.mark.parametrize("cuts", [[], [0], [100_000], [70_000, 0, 1_000, 150_000, 80_000]])
def test_a_cut_download_resumes(run: ClientRun, cut_url: CutUrl, tmp_path: Path, cuts: list[int]) -> None:
    checkpoint = run.best_checkpoint()
    with Client(cut_url(cuts)) as cut_client:
        through(cut_client, run).download(checkpoint, tmp_path / "best.safetensors")
    assert (tmp_path / "best.safetensors").read_bytes() == WEIGHTS
    assert [path.name for path in tmp_path.iterdir()] == ["best.safetensors"]


def test_bytes_of_an_earlier_download_are_not_requested_again(run: ClientRun, tmp_path: Path) -> None:
    checkpoint = run.best_checkpoint()
    part = tmp_path / f"best.safetensors.{checkpoint.sha256[:16]}.part"
    part.write_bytes(WEIGHTS[:200_000])
    inode = part.stat().st_ino
    assert run.download_best(tmp_path / "best.safetensors").read_bytes() == WEIGHTS
    assert (tmp_path / "best.safetensors").stat().st_ino == inode


def test_a_damaged_download_is_discarded_and_the_old_file_stays(run: ClientRun, tmp_path: Path) -> None:
    old = tmp_path / "best.safetensors"
    old.write_bytes(b"old")
    checkpoint = run.best_checkpoint()
    part = tmp_path / f"best.safetensors.{checkpoint.sha256[:16]}.part"
    part.write_bytes(b"x" * 10)
    with pytest.raises(DownloadDamaged, match=checkpoint.sha256):
        run.download_best(old)
    assert old.read_bytes() == b"old"
    assert not part.exists()
    assert hashlib.sha256(run.download_best(old).read_bytes()).hexdigest() == checkpoint.sha256


def test_a_file_with_another_digest_is_refused_before_it_is_written(run: ClientRun, tmp_path: Path) -> None:
    other = run.best_checkpoint().model_copy(update={"sha256": "0" * 64})
    with pytest.raises(DownloadDamaged, match="0" * 64):
        run.download(other, tmp_path / "best.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_before_the_first_checkpoint_the_best_is_not_found(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="checkpoint"):
        client.submit(RECIPE).download_best(tmp_path / "best.safetensors")
