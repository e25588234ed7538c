"""`bakehouse demo` with its own Redis, service and workers."""

from pathlib import Path

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from bakehouse.cli.main import app

ROOT = Path(__file__).parents[2]


def test_two_recipes_are_trained_and_the_better_one_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("run_")]
    assert [row[1:3] for row in rows] == [["plain", "succeeded"], ["bn-dropout", "succeeded"]]
    assert "bn-dropout: stopped early at epoch" in result.stderr
    assert "model.eval()" in result.stdout
    with safe_open(tmp_path / "bakehouse-demo-best.safetensors", framework="numpy") as weights:
        assert "head.weight" in weights.keys()  # noqa: SIM118 - not a mapping
    assert [path.name for path in tmp_path.iterdir() if path.name != "temporary"] == ["bakehouse-demo-best.safetensors"]
