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

from bakehouse.cli.main import app

RECIPE = {"dataset": "iris", "architecture": "linear", "epochs": 3, "name": "small"}
TRANSFER = {"type": "transfer", "layers": "all"}
COMMAND = [sys.executable, "-c", "from bakehouse.cli.main import app; app()"]


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
    assert re.search(r"small  run_\w{12} succeeded: completed 3 epochs", result.stderr)
    assert "out/best.safetensors" in result.stderr
    assert (tmp_path / "out" / "best.safetensors").exists()


def test_a_refused_recipe_starts_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", "-", "-o", "out", "--set", "epochs=0"], input=json.dumps(RECIPE))
    assert result.exit_code == 2
    assert "/epochs" in result.stderr
    assert not (tmp_path / "out").exists()


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
