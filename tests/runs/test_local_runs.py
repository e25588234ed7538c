"""Runs that were trained without a service, found by their ids."""

from pathlib import Path

from bakehouse.runs.local_runs import FILES, RECORD, LocalRuns
from bakehouse.runs.transitions import submit
from tests.runs.examples import a_run


def kept(folder: Path) -> str:
    """The id of a run whose record is in a folder."""
    record, _ = submit(a_run(), idempotency=None, now=0)
    folder.mkdir(parents=True)
    (folder / RECORD).write_text(record.model_dump_json(), encoding="utf-8")
    return record.id


def test_each_run_is_in_a_folder_of_its_own(tmp_path: Path) -> None:
    first, second = kept(tmp_path / "a"), kept(tmp_path / "b")
    folders = LocalRuns(tmp_path)
    assert [getattr(folders.find(run_id), "id", None) for run_id in (first, second)] == [first, second]
    folders.artifacts(second).write_checkpoint(second, b"weights", {})
    assert list((tmp_path / "b" / FILES).rglob("model.safetensors"))
    assert str(tmp_path) in folders.where


def test_what_is_no_record_of_this_version_is_no_run(tmp_path: Path) -> None:
    run_id = kept(tmp_path / "b")
    for name, content in (("a", '{"id": "run_aaaaaaaaaaaa"}'), ("c", "{"), ("d", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / RECORD).write_text(content, encoding="utf-8")
    folders = LocalRuns(tmp_path)
    assert folders.find(run_id) is not None
    assert folders.find("run_aaaaaaaaaaaa") is None
    assert LocalRuns(tmp_path / "nowhere").find(run_id) is None
