"""`--notify`, and `--seeds` of `bakehouse run`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bakehouse.cli.main import app
from bakehouse.cli.submit import submit_all
from bakehouse.client import Client, ClientRun, RunEvent, RunTimeout
from bakehouse.model import JsonObject
from tests.fake_worker import FakeWorker


def bakehouse(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_a_command_is_run_for_each_run_that_ends(
    client: Client, worker: FakeWorker, finished: ClientRun, tmp_path: Path
) -> None:
    failed = client.submit({"dataset": "digits", "architecture": "mlp"})
    worker.claim(failed.id)
    worker.fail(failed.id)
    result = bakehouse("watch", finished.id, failed.id, "--notify", 'echo "$RUN_ID $STATUS" >> ended')
    assert result.exit_code == 1
    lines = (tmp_path / "ended").read_text().splitlines()
    assert sorted(lines) == sorted([f"{finished.id} succeeded", f"{failed.id} failed"])


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_changes_neither_the_exit_code_nor_the_output(finished: ClientRun, options: list[str]) -> None:
    without = bakehouse("watch", finished.id, *options)
    result = bakehouse("watch", finished.id, "--notify", "echo said; exit 9", *options)
    assert (result.exit_code, result.stdout) == (0, without.stdout)
    assert "said\n" in result.stderr
    assert "failed with exit code 9" in result.stderr


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    """The file of a recipe."""
    (tmp_path / "recipe.json").write_text(json.dumps({"dataset": "digits", "architecture": "mlp"}))
    return "recipe.json"


@pytest.mark.parametrize("command", ["run", "fork", "rerun"])
def test_each_command_that_watches_new_runs_notifies(
    client: Client, finished: ClientRun, recipe: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = ClientRun.stream

    def stream_until_cancelled(run: ClientRun) -> Iterator[RunEvent]:
        return stream(run.cancel())

    monkeypatch.setattr(ClientRun, "stream", stream_until_cancelled)
    source = recipe if command == "run" else finished.id
    result = bakehouse(command, source, "--seeds", "1-2", "--notify", 'echo "$RUN_ID $STATUS" >> ended')
    assert result.exit_code == 5, result.output
    new = {f"{run.id} cancelled" for run in client.runs(status="cancelled")}
    assert len(new) == 2
    assert set((tmp_path / "ended").read_text().splitlines()) == new


@pytest.mark.parametrize("command", ["run", "fork", "rerun"])
def test_a_command_that_would_never_run_is_refused(
    client: Client, finished: ClientRun, recipe: str, command: str
) -> None:
    source = recipe if command == "run" else finished.id
    result = bakehouse(command, source, "--detach", "--notify", "true")
    assert result.exit_code == 2
    assert "--notify" in result.stderr
    assert "not with --detach" in result.stderr
    assert [run.id for run in client.runs()] == [finished.id]


def test_a_single_number_of_seeds_gets_a_note(client: Client, recipe: str) -> None:
    result = bakehouse("run", recipe, "--seeds", "5", "--detach")
    assert "1 run, seed 5; 0-4 is five\n" in result.stderr
    assert [run.record.known_recipe.seed for run in client.runs()] == [5]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RunTimeout("run_1", 3)])
def test_runs_that_were_submitted_before_an_error_are_listed(
    client: Client, capsys: pytest.CaptureFixture[str], error: type[BaseException] | BaseException
) -> None:
    def documents() -> Iterator[JsonObject]:
        yield {"dataset": "digits", "architecture": "mlp"}
        raise error

    with pytest.raises((KeyboardInterrupt, RunTimeout)):
        submit_all(client.submit, documents())
    [run] = client.runs()
    assert f"submitted so far:\n  bakehouse watch {run.id}\n" in capsys.readouterr().err
