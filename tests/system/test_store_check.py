"""What `bakehouse store check` finds in a folder and in a bucket: each fault once, and nothing in a sound one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis
from typer.testing import CliRunner

from bakehouse.cli.main import app
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.marker import register_folder
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.runs.store import Store, connect
from bakehouse.runs.stored_entries import open_entries
from bakehouse.settings import Settings
from bakehouse.store.bucket import Bucket
from bakehouse.store.open_store import open_store
from bakehouse.system import store_check
from bakehouse.system.store_check import StoreReport
from bakehouse.uploads.records import DatasetRecords
from tests.bucket_server import run_bucket
from tests.fake_worker import FakeWorker
from tests.stored_runs import SHORT, store_run

GONE = "run_00000000gone"


@dataclass
class Checked:
    """A store with two finished runs."""

    settings: Settings
    redis: Redis
    store: Store
    artifacts: Artifacts
    runs: tuple[str, str]

    def report(self, *, repair: bool = False) -> StoreReport:
        records = DatasetRecords(self.redis, self.settings)
        files = open_store(self.settings)
        return store_check.check_store("it", self.store, open_entries(self.settings), files, records, repair=repair)

    def sha256(self, run_id: str) -> str:
        return self.store.record(run_id).checkpoints[0].sha256

    def damage(self, run_id: str) -> None:
        key = f"{run_id}/checkpoints/{self.sha256(run_id)}/model.safetensors"
        if self.settings.bucket is not None:
            Bucket(self.settings).put(f"runs/{key}", b"other")
        else:
            (self.settings.artifacts / "local" / key).write_bytes(b"other")


@pytest.fixture(params=["folder", "bucket"])
def checked(
    request: pytest.FixtureRequest, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Checked]:
    monkeypatch.setattr(store_check, "ORPHAN_SECONDS", -1.0)
    with run_bucket() as server:
        is_bucket = request.param == "bucket"
        settings = server.settings(tmp_path / "home") if is_bucket else Settings(home=tmp_path / "home")
        redis = connect(redis_url, patient=False)
        store = Store(redis)
        register_folder(settings, store)
        artifacts = open_artifacts(settings)
        worker = FakeWorker(store, artifacts)
        first, second = (store_run(store, settings, {**SHORT, "seed": seed}) for seed in (1, 2))
        for run_id in (first, second):
            worker.train(run_id, weights=run_id.encode())
        yield Checked(settings, redis, store, artifacts, (first, second))


def kinds(report: StoreReport) -> list[tuple[str, str]]:
    return [(finding.kind, finding.key.partition("/")[0]) for finding in report.findings]


def test_a_sound_store_has_nothing_wrong(checked: Checked) -> None:
    report = checked.report()
    assert report.findings == ()
    assert report.entries == 2
    assert report.bytes > 0


def test_each_fault_is_found_and_only_orphans_are_deleted(checked: Checked) -> None:
    first, second = checked.runs
    checked.damage(first)
    checked.artifacts.delete_checkpoint(second, checked.sha256(second))
    checked.artifacts.write_checkpoint(GONE, b"weights of a run that was deleted", {})
    checked.artifacts.write_checkpoint(second, b"weights that no record names", {})
    checked.artifacts.write_resume(first, 1, {"tensors": b"x"})
    found = checked.report()
    expected = [("orphaned", first), ("damaged", first), ("missing", second), ("orphaned", second), ("orphaned", GONE)]
    assert sorted(kinds(found)) == sorted(expected)
    assert sorted(kinds(checked.report())) == sorted(expected)
    repaired = checked.report(repair=True)
    assert {each.kind for each in repaired.findings if each.is_repaired} == {"orphaned"}
    assert sorted(kinds(checked.report())) == sorted([("damaged", first), ("missing", second)])


def test_what_is_young_is_not_orphaned(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_check, "ORPHAN_SECONDS", 60.0)
    checked.artifacts.write_checkpoint(GONE, b"weights whose record comes next", {})
    assert checked.report(repair=True).findings == ()


def test_the_command_prints_each_finding(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in checked.settings.model_dump(exclude_none=True).items():
        monkeypatch.setenv(f"BAKEHOUSE_{name.upper()}", str(value))
    monkeypatch.setenv("BAKEHOUSE_REDIS_URL", f"unix://{checked.redis.connection_pool.connection_kwargs['path']}")
    checked.artifacts.write_checkpoint(GONE, b"weights of a run that was deleted", {})
    sound = CliRunner().invoke(app, ["store", "check"])
    assert (sound.exit_code, sound.output.splitlines()[-1][:10]) == (0, "3 folders,")
    assert f"orphaned  {GONE}/checkpoints/" in sound.output
    assert "1 orphaned" in sound.output
    checked.damage(checked.runs[0])
    damaged = CliRunner().invoke(app, ["store", "check", "--repair"])
    assert damaged.exit_code == 1
    assert "It is deleted." in damaged.output
    assert "; 0 missing; 1 damaged; 0 orphaned" in damaged.output
    checked.redis.flushall()
    emptied = CliRunner().invoke(app, ["store", "check", "--repair"])
    assert emptied.exit_code == 2
    assert "names no store" in emptied.output
