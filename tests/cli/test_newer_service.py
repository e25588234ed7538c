"""The command shows the runs of a service that is newer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bakehouse.client import Client
from bakehouse.version import VERSION
from tests.fake_worker import FakeWorker
from tests.newer_service import UNKNOWN_NORM, store_unknown_ingredient, store_unknown_status
from tests.running_service import RunningService

RECIPE = {"dataset": "digits", "architecture": "mlp", "name": "plain", "epochs": 3}
WARNING = f"bakehouse: the service is {VERSION}, this client {VERSION}: "


@pytest.fixture
def run_id(client: Client, worker: FakeWorker) -> str:
    """A finished run with an ingredient that this version does not know."""
    run = client.submit(RECIPE)
    worker.train(run.id, [0.5, 0.4, 0.45])
    store_unknown_ingredient(worker.store, run.id)
    return run.id


def bakehouse(service: RunningService, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs the command as a user does: in a process, where warnings are not errors."""
    command = [str(Path(sys.executable).with_name("bakehouse")), *arguments]
    environment = {"BAKEHOUSE_URL": service.url, "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_list_shows_all_runs_and_one_line_about_the_versions(
    service: RunningService, client: Client, worker: FakeWorker, run_id: str
) -> None:
    other = client.submit(RECIPE)
    store_unknown_status(worker.store, client.submit(RECIPE).id)
    listed = bakehouse(service, "ls")
    assert listed.returncode == 0
    assert "archived" in listed.stdout
    assert all(each in listed.stdout for each in (run_id, other.id))
    (line,) = listed.stderr.splitlines()
    assert line.startswith(WARNING)
    as_json = bakehouse(service, "ls", "--json")
    assert UNKNOWN_NORM in [run["recipe"]["norm"] for run in json.loads(as_json.stdout)["data"]]
    assert as_json.stderr.startswith(WARNING)


def test_a_run_is_shown_with_its_recipe_as_plain_json(service: RunningService, run_id: str) -> None:
    shown = bakehouse(service, "show", run_id)
    assert shown.returncode == 0
    assert json.dumps(UNKNOWN_NORM) in shown.stdout
    assert shown.stderr.startswith(WARNING)
    as_json = bakehouse(service, "show", run_id, "--json")
    assert json.loads(as_json.stdout)["recipe"]["norm"] == UNKNOWN_NORM


def test_a_run_is_watched_to_its_end(service: RunningService, run_id: str) -> None:
    watched = bakehouse(service, "watch", run_id)
    assert watched.returncode == 0
    assert "best epoch 2" in watched.stderr


def test_the_script_of_an_unknown_model_is_refused(service: RunningService, run_id: str) -> None:
    refused = bakehouse(service, "code", run_id)
    assert refused.returncode == 1
    assert "install the version of the service" in refused.stderr
    assert "Traceback" not in refused.stderr
