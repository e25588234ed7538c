"""Runs that were trained without a service, found by their ids."""

from pathlib import Path

from bakehouse.runs.local_runs import FILES, RECORD, LocalRuns
from bakehouse.runs.transitions import submit
from tests.runs.examples import a_run


def write_record(folder: Path) -> str:
    """Writes the record of a new run; returns its id."""
    record, _ = submit(a_run(), idempotency=None, now=0)
    folder.mkdir(parents=True)
    (folder / RECORD).write_text(record.model_dump_json(), encoding="utf-8")
    return record.id


def test_each_run_is_found_in_its_folder(tmp_path: Path) -> None:
    first, second = write_record(tmp_path / "a"), write_record(tmp_path / "b")
    local_runs = LocalRuns(tmp_path)
    assert [getattr(local_runs.find(run_id), "id", None) for run_id in (first, second)] == [first, second]
    local_runs.artifacts(second).write_checkpoint(second, b"weights", {})
    assert list((tmp_path / "b" / FILES).rglob("model.safetensors"))
    assert str(tmp_path) in local_runs.location


def test_records_that_this_version_cannot_read_are_skipped(tmp_path: Path) -> None:
    run_id = write_record(tmp_path / "b")
    for name, content in (("a", '{"id": "run_aaaaaaaaaaaa"}'), ("c", "{"), ("d", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / RECORD).write_text(content, encoding="utf-8")
    local_runs = LocalRuns(tmp_path)
    assert local_runs.find(run_id) is not None
    assert local_runs.find("run_aaaaaaaaaaaa") is None
    assert LocalRuns(tmp_path / "nowhere").find(run_id) is None
