"""`bakehouse train`: training without a service."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bakehouse.cli.local import prepare_locally, print_summary
from bakehouse.cli.main import app
from bakehouse.cli.show import summary
from bakehouse.cli.view import View
from bakehouse.runs.run import Run
from bakehouse.settings import Settings

RECIPE = {"dataset": "iris", "architecture": "linear", "epochs": 3, "name": "small"}
TRANSFER = {"type": "transfer", "layers": "all"}
COMMAND = [sys.executable, "-c", "from bakehouse.cli.entry import main; main()"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs each test in an empty folder."""
    monkeypatch.setenv("BAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)


def test_a_recipe_is_trained_and_its_best_weights_are_saved(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", "-", "-o", "out", "--json"], input=json.dumps(RECIPE))
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["data"]["epoch"] for event in events if event["type"] == "epoch"] == [1, 2, 3]
    assert events[-1]["type"] == "end"
    assert re.search(r"small    run_\w{12} succeeded: completed 3 epochs", result.stderr)
    assert "out/best.safetensors" in result.stderr
    assert (tmp_path / "out" / "best.safetensors").exists()


def test_a_refused_recipe_starts_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", "-", "-o", "out", "--set", "epochs=0"], input=json.dumps(RECIPE))
    assert result.exit_code == 2
    assert "/epochs" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_whose_record_cannot_be_read_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "out" / "record.json"
    path.parent.mkdir()
    path.write_text("{")
    result = subprocess.run(
        [*COMMAND, "train", "-", "-o", "out"], input=json.dumps(RECIPE), capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("out/record.json is not a record that this version can read")
    assert path.read_text() == "{"


def test_the_summary_reads_the_record_of_an_earlier_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = json.loads((Path(__file__).parents[1] / "runs" / "record_748f24f.json").read_text(encoding="utf-8"))
    by_script = {"by_service", "by_worker", "order"}
    (tmp_path / "record.json").write_text(json.dumps({k: v for k, v in stored.items() if k not in by_script}))
    (tmp_path / "events.jsonl").touch()
    shown: list[Run] = []

    def show(run: Run, view: View, *, file: Path | None, next_command: str) -> str:
        shown.append(run)
        return summary(run, view, file=file, next_command=next_command)

    monkeypatch.setattr("bakehouse.cli.local.summary", show)
    print_summary(prepare_locally(RECIPE, Settings(), wait_seconds=60), tmp_path)
    [run] = shown
    assert "run_9nakbvtzrn6m succeeded" in capsys.readouterr().err
    assert run.parent_run == stored["origin"]
    assert run.provenance is not None
    assert run.provenance.model_dump(mode="json") == stored["receipt"]


def test_an_interrupted_training_continues(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps(RECIPE | {"epochs": 1000, "early_stopping": "none"}))
    command = [*COMMAND, "train", "recipe.json", "-o", "out", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if json.loads(line)["type"] == "epoch":
                break
        first.send_signal(signal.SIGINT)
        first.communicate()
    assert first.returncode == 130
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "completed 1,000 epochs" in again.stderr
    epochs = [json.loads(line)["data"]["epoch"] for line in again.stdout.splitlines() if '"type": "epoch"' in line]
    assert epochs[-1] == 1000
    assert epochs[0] > 1


def test_a_recipe_can_build_on_a_run_that_was_trained_locally(tmp_path: Path) -> None:
    document = {**RECIPE, "pretraining": {**TRANSFER, "checkpoint": "run_aaaaaaaaaaaa"}}
    refused = CliRunner().invoke(app, ["train", "-"], input=json.dumps(document))
    assert refused.exit_code == 2
    assert "/pretraining/checkpoint" in refused.stderr
    assert "home/train" in refused.stderr
    assert CliRunner().invoke(app, ["train", "-", "--json"], input=json.dumps(RECIPE)).exit_code == 0
    [record] = (tmp_path / "home" / "train").glob("*/record.json")
    document["pretraining"] = {**TRANSFER, "checkpoint": json.loads(record.read_text())["id"]}
    result = CliRunner().invoke(app, ["train", "-", "--json"], input=json.dumps(document))
    assert result.exit_code == 0, result.output
