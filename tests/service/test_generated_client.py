"""A client that another project's generator makes of the OpenAPI document."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fake_worker import FakeWorker

PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def generated(api: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the generated package, which can be imported."""
    (tmp_path / "openapi.json").write_bytes(api.get("/openapi.json").content)
    # The generator knows no bodies of these types, and has a setting for types that are bytes.
    as_bytes = dict.fromkeys(("image/png", "image/jpeg", "application/x-npz"), "application/octet-stream")
    (tmp_path / "config.json").write_text(json.dumps({"content_type_overrides": as_bytes}))
    command = [
        str(PROGRAMS / "openapi-python-client"), "generate", "--path", "openapi.json",
        "--output-path", "generated_client", "--meta", "none", "--fail-on-warning", "--config", "config.json",
    ]  # fmt: skip
    # The generator formats its output with ruff, which it looks for on the path.
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.splitlines()[1:]) == (0, []), ended.stdout + ended.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    return "generated_client"


def test_a_generated_client_submits_lists_and_reads_runs(generated: str, api: httpx.Client, worker: FakeWorker) -> None:
    package = importlib.import_module(generated)
    models = importlib.import_module(f"{generated}.models")
    with package.Client(base_url=str(api.base_url), httpx_args={"trust_env": False}) as client:

        def call(name: str, *arguments: str, **options: object) -> Any:
            return importlib.import_module(f"{generated}.api.{name}").sync(*arguments, client=client, **options)

        recipe = models.Recipe(dataset=models.Dataset(id="iris"), architecture=models.Linear(type_="linear"), epochs=3)
        submitted = call("runs.create_run", body=recipe)
        assert (submitted.status, submitted.recipe.architecture.type_) == ("queued", "linear")
        assert [run.id for run in call("runs.list_runs").data] == [submitted.id]
        brief = call("runs.list_runs", view=models.ListRunsView.BRIEF).data
        assert [(row.id, row.architecture) for row in brief] == [(submitted.id, "linear")]
        worker.train(submitted.id)
        over = call("runs.get_run", submitted.id)
        assert over.status == "succeeded"
        listed = call("checkpoints.list_checkpoints", submitted.id).data
        assert [each.epoch for each in listed if "best" in each.roles] == [over.best.epoch]
        assert "epoch" in call("runs.get_run_metrics", submitted.id).epochs.additional_properties
        missing = call("runs.get_run", "run_222222222222")
        assert (missing.status, missing.type_) == (404, "/problems/run_not_found")
