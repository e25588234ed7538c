"""The command line against the real service."""

from pathlib import Path

import pytest

from bakehouse.client import Client, ClientRun
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService

RECIPE = {"dataset": "digits", "architecture": "mlp", "name": "plain", "labels": {"kind": "x"}, "epochs": 3}


@pytest.fixture(autouse=True)
def address(service: RunningService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command finds the test's service and an empty folder."""
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    monkeypatch.setenv("BAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def finished(client: Client, worker: FakeWorker) -> ClientRun:
    """A run that has succeeded."""
    run = client.submit(RECIPE)
    worker.train(run.id, [0.5, 0.4, 0.45])
    return run.refresh()
