"""`bakehouse what-if`, and the method of the client that it calls."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from bakehouse import AsyncClient, Client
from bakehouse.cli.main import app
from bakehouse.client import ClientRun, Conflict
from bakehouse.what_if import WhatIf
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService

LOSSES = [0.7, 0.4, 0.5, 0.3, 0.6]


@pytest.fixture
def run(client: Client, worker: FakeWorker, service: RunningService, monkeypatch: pytest.MonkeyPatch) -> ClientRun:
    """A run that has trained five of its six epochs."""
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    run = client.submit({"dataset": "iris", "architecture": "linear", "epochs": 6})
    with pytest.raises(Conflict, match="has no complete epoch"):
        run.what_if([3])
    worker.train(run.id, LOSSES)
    return run


def what_if(run: ClientRun, *arguments: str) -> list[str]:
    result = CliRunner().invoke(app, ["what-if", run.id, *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_the_command_prints_a_table_and_the_answer_in_a_sentence(run: ClientRun) -> None:
    criterion = '{"type": "generalization_loss", "alpha": 90}'
    lines = what_if(run, "--patience", "1", "--patience", "9", "--early-stopping", criterion)
    assert [line.split("\t") for line in lines[:-2]] == [
        ["EARLY STOPPING", "STOPS", "BEST", "VAL LOSS", "LOST", "EPOCHS SAVED", "TIME SAVED"],
        ["patience 1", "e3", "e2", "0.4", "0.1", "2", "2 s"],
        ["patience 9", "undecided", "-", "-", "-", "-", "-"],
        ["generalization_loss 90", "e5", "e4", "0.3", "0", "0", "0 s"],
    ]
    assert lines[-1] == "patience 1 would have stopped at epoch 3, saved 2 of 5 epochs and lost 0.1 of validation_loss."


def test_the_command_asks_about_usual_patiences_and_prints_json(run: ClientRun) -> None:
    assert [line.split("\t")[0] for line in what_if(run)[1:5]] == [
        "patience 3",
        "patience 5",
        "patience 10",
        "patience 20",
    ]
    [line] = what_if(run, "--early-stopping", "none", "--json")
    assert json.loads(line) == run.what_if(["none"]).model_dump(mode="json")


def test_a_wrong_setting_is_named(run: ClientRun) -> None:
    result = CliRunner().invoke(app, ["what-if", run.id, "--early-stopping", "patienc"])
    assert result.exit_code != 0
    assert "/early_stopping/0  unknown variant 'patienc'; did you mean 'patience'?" in result.stderr


def test_the_client_of_an_event_loop_asks_too(run: ClientRun, service: RunningService) -> None:
    async def ask() -> WhatIf:
        async with AsyncClient(service.url) as client:
            return await (await client.run(run.id)).what_if([1, {"patience": 9}])

    found = asyncio.run(ask())
    assert [answer.decision for answer in found.answers] == ["stops", "undecided"]
    assert found.answers[0].lost == pytest.approx(0.1)
