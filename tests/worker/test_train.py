"""`python -m worker.train` as a process: exit codes, files, and resuming after an interruption."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, Prepared, prepare
from bakehouse.runs.commands import Claim
from bakehouse.runs.record import Record
from bakehouse.runs.transitions import MAX_ATTEMPTS_WITHOUT_PROGRESS
from bakehouse.settings import Settings
from tests.runs.examples import an_owner
from tests.small_trainings import DIGITS_CNN, Document
from worker.train import main, open_record_store, train

ROOT = Path(__file__).parents[2]
RECIPE: Document = {
    **DIGITS_CNN, "dataset": "digits", "augmentation": ["random_crop"], "epochs": 30, "early_stopping": None,
}  # fmt: skip
"""Takes half a second."""


def start(recipe: Document, folder: Path) -> subprocess.Popen[str]:
    """Starts the command with the recipe on its standard input."""
    environment = {**os.environ, "BAKEHOUSE_DEVICE": "cpu", "BAKEHOUSE_THREADS": "1", "BAKEHOUSE_HOME": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.train", "-", "-o", str(folder / "out")],
        cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps(recipe))
    process.stdin.close()
    return process


def wait_for(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]], str]:
    """Returns the exit code, the printed events, and the text on standard error."""
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        events = [json.loads(line) for line in process.stdout]
        return process.wait(60), events, process.stderr.read()


def train_until_signal(number: signal.Signals, *, at_epoch: int, folder: Path) -> int:
    """Trains until an epoch is logged, then sends a signal; returns the exit code."""
    with start(RECIPE, folder) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["type"] == "epoch" and event["data"]["epoch"] >= at_epoch:
                break
        process.send_signal(number)
        process.stdout.read()
        return process.wait(60)


def log_of(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "out" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def numbers(log: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The data of the steps or epochs, without seconds."""
    return [{**event["data"], "seconds": 0} for event in log if event["type"] == kind]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run without an interruption."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    code, events, _ = wait_for(start(RECIPE, folder))
    assert code == 0
    assert events == log_of(folder)
    return folder


def test_a_run_leaves_its_record_its_log_and_its_best(uninterrupted: Path) -> None:
    record = json.loads((uninterrupted / "out" / "record.json").read_text(encoding="utf-8"))
    log = log_of(uninterrupted)
    assert (record["status"], record["seq"]) == ("succeeded", len(log))
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    assert [event["epoch"] for event in numbers(log, "epoch")] == list(range(1, 31))
    assert log[-1]["type"] == "end"
    assert "head.weight" in safetensors.torch.load_file(uninterrupted / "out" / "best.safetensors")
    assert not list((uninterrupted / "out").glob("artifacts/local/*/resume/*"))


def test_a_run_that_is_killed_and_terminated_ends_with_the_same_bits(uninterrupted: Path, tmp_path: Path) -> None:
    assert train_until_signal(signal.SIGKILL, at_epoch=1, folder=tmp_path) == -signal.SIGKILL
    assert train_until_signal(signal.SIGTERM, at_epoch=2, folder=tmp_path) == 130
    assert list((tmp_path / "out").glob("artifacts/local/*/resume/*"))
    assert train_until_signal(signal.SIGKILL, at_epoch=3, folder=tmp_path) == -signal.SIGKILL
    code, events, _ = wait_for(start(RECIPE, tmp_path))
    log = log_of(tmp_path)
    assert code == 0
    assert log[-len(events) :] == events
    assert (tmp_path / "out/best.safetensors").read_bytes() == (uninterrupted / "out/best.safetensors").read_bytes()
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    assert log[-1]["attempt"] == 4
    for kind in ("step", "epoch"):
        assert numbers(log, kind) == numbers(log_of(uninterrupted), kind)


def test_a_loss_that_is_not_finite_is_exit_code_1(tmp_path: Path) -> None:
    code, events, stderr = wait_for(start({**RECIPE, "norm": None, "optimizer": {"type": "sgd", "lr": 1e3}}, tmp_path))
    assert code == 1
    end = events[-1]["data"]
    assert (end["status"], end["reason"], end["verdict"]) == ("failed", "non_finite", "non_finite")
    assert end["patch"] == [{"op": "replace", "path": "/optimizer/lr", "value": 0.05}]
    assert "The loss is not finite from step" in stderr


def test_a_recipe_that_cannot_be_trained_is_exit_code_2(tmp_path: Path) -> None:
    code, events, stderr = wait_for(start({**RECIPE, "dropout": {"type": "dropout", "p": 0.5}}, tmp_path))
    assert (code, events) == (2, [])
    assert stderr.startswith("/dropout/p: unknown field 'p': write rate")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("content", "message"), [('{"dataset": ', "line 1 column 13"), (None, "No such file")])
def test_a_recipe_that_cannot_be_read_is_exit_code_2(
    content: str | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "recipe.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["worker.train", str(path), "-o", str(tmp_path / "out")])
    assert main() == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return prepare(RECIPE, Catalog(Settings(home=tmp_path)), Limits(parameters=10**6))


def test_events_that_the_record_does_not_count_are_removed(prepared: Prepared, tmp_path: Path) -> None:
    open_record_store(prepared, tmp_path).commit(Claim(an_owner(), 1000))
    log = tmp_path / "events.jsonl"
    before = log.read_bytes()
    log.write_bytes(before + b'{"seq": 3}\n{"se')
    record_store = open_record_store(prepared, tmp_path)
    assert record_store.record.status == "queued"
    lines = log.read_bytes().removeprefix(before).splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [record_store.record.seq]


def test_a_run_whose_process_died_too_often_has_failed(
    prepared: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(MAX_ATTEMPTS_WITHOUT_PROGRESS):
        record_store = open_record_store(prepared, tmp_path)
        record_store.commit(Claim(an_owner(), 1000))
    assert train(prepared, tmp_path, Settings(home=tmp_path)) == 1
    assert "5 attempts in a row died" in capsys.readouterr().err
    assert open_record_store(prepared, tmp_path).record.status == "queued"


def test_the_same_recipe_trained_again_is_the_same_run(prepared: Prepared, tmp_path: Path) -> None:
    first = open_record_store(prepared, tmp_path).record
    over = first.model_copy(update={"status": "cancelled"})
    (tmp_path / "record.json").write_text(over.model_dump_json(), encoding="utf-8")
    second = open_record_store(prepared, tmp_path).record
    assert (second.id, second.status) == (first.id, "queued")


@pytest.mark.parametrize("content", [b"", b'{"id": "run_', b"{}", b"[]", b"\xff"])
def test_a_record_that_cannot_be_read_is_exit_code_2(
    content: bytes, prepared: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "record.json").write_bytes(content)
    assert train(prepared, tmp_path, Settings(home=tmp_path)) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path / 'record.json'} is not a record that this version can read: choose another")
    assert (tmp_path / "record.json").read_bytes() == content


def test_another_recipe_in_the_same_folder_begins_a_new_run(prepared: Prepared, tmp_path: Path) -> None:
    first = open_record_store(prepared, tmp_path).record
    (tmp_path / "mine.txt").touch()
    settings = Settings(home=tmp_path)
    other = prepare({**RECIPE, "seed": 1}, Catalog(settings), Limits(parameters=10**6))
    assert open_record_store(prepared, tmp_path).record.id == first.id
    record = open_record_store(other, tmp_path).record
    assert record.id != first.id
    assert len((tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()) == record.seq
    assert (tmp_path / "mine.txt").exists()


def test_a_run_without_a_field_that_recipes_got_later_is_resumed(prepared: Prepared, tmp_path: Path) -> None:
    first = open_record_store(prepared, tmp_path).record
    stored = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    del stored["recipe"]["dataset"]["bootstrap"]
    (tmp_path / "record.json").write_text(json.dumps({**stored, "recipe_sha256": "0" * 64}), encoding="utf-8")
    resumed = open_record_store(prepared, tmp_path).record
    assert (resumed.id, resumed.seq) == (first.id, first.seq)
    assert resumed.recipe_sha256 == "0" * 64


def test_an_interrupted_run_whose_table_was_replaced_fails_and_the_next_trains_on_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "data" / "mine.csv"
    table.parent.mkdir()
    table.write_text("x,y\n" + "".join(f"{row},{'ab'[row % 2]}\n" for row in range(60)))
    settings = Settings(home=tmp_path, data=table.parent, device="cpu")
    recipe = {"dataset": {"id": "mine", "target": "y"}, "architecture": "linear", "epochs": 1}

    def prepared() -> Prepared:
        return prepare(recipe, Catalog(settings), Limits(parameters=10**6), wait_seconds=60)

    submitted = open_record_store(prepared(), tmp_path).record
    table.write_text("x,y\n" + "".join(f"{row},{'ba'[row % 2]}\n" for row in range(50)))
    after = prepared()
    assert train(after, tmp_path, settings) == 1
    assert "mine has changed since this run was submitted" in capsys.readouterr().err
    failed = Record.model_validate_json((tmp_path / "record.json").read_text(encoding="utf-8"))
    assert failed.failure is not None
    assert (failed.id, failed.failure.code) == (submitted.id, "dataset_changed")
    assert train(after, tmp_path, settings) == 0


def test_a_table_with_empty_cells_is_learnt_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds, doses = [("a", "", "", "", "b", "", "", "")[row % 8] for row in range(90)], ["", "0.5", "2"] * 30
    rows = [f"{row % 7},{row % 5},{kind},{dose}" for row, (kind, dose) in enumerate(zip(kinds, doses, strict=True))]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "doses.csv").write_text("\n".join(["a,b,kind,dose", *rows]) + "\n")
    monkeypatch.setenv("BAKEHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("BAKEHOUSE_DATA", str(tmp_path / "data"))
    dataset = {"id": "doses", "target": "kind"}
    recipe = {"dataset": {**dataset, "columns": {"missing": "refuse"}}, "architecture": "linear", "epochs": 2}
    monkeypatch.setattr("sys.argv", ["worker.train", str(tmp_path / "recipe.json"), "-o", str(tmp_path / "out")])
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    assert main() == 2
    assert "/dataset/columns/missing: inputs are empty in some rows: dose in 30" in capsys.readouterr().err
    # By default they are filled.
    (tmp_path / "recipe.json").write_text(json.dumps({**recipe, "dataset": dataset}))
    assert main() == 0
    assert "inputs are empty in some of the 90 rows (dose in 30)" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "recipe.json").write_text(json.dumps({**recipe, "objective": {"tasks": "dose"}}))
    assert main() == 0
    [record] = [json.loads(path.read_bytes()) for path in tmp_path.glob("out/record.json")]
    assert {"test_accuracy", "test_main_loss", "test_dose_r2"} <= set(record["best"]["metrics"])
    best = safetensors.torch.load_file(tmp_path / "out" / "best.safetensors")
    assert {"heads.main.weight", "heads.task1.weight", "units.task1.std"} <= set(best)
