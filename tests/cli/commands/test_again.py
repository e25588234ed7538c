"""`bakehouse fork` and `bakehouse rerun`."""

import threading

import pytest
from typer.testing import CliRunner, Result

from bakehouse.cli.main import app
from bakehouse.client import Client, ClientRun
from bakehouse.recipe.pretraining import Transfer
from bakehouse.runs.run import Run
from tests.fake_worker import FakeWorker
from tests.processes import wait_until


def bakehouse(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def new_runs(client: Client, result: Result) -> list[Run]:
    assert result.exit_code == 0, result.output
    return [client.run(run_id).record for run_id in result.stdout.split()]


def test_a_fork_begins_with_the_best_weights_and_a_changed_recipe(client: Client, finished: ClientRun) -> None:
    [forked] = new_runs(client, bakehouse("fork", finished.id, "--set", "optimizer.lr=1e-4", "--detach"))
    assert (forked.parent_run, forked.reason) == (finished.id, "forked")
    assert isinstance(forked.recipe.pretraining, Transfer)
    assert forked.recipe.pretraining.checkpoint.run == finished.id
    changed = finished.record.known_recipe.optimizer.model_copy(update={"lr": 1e-4})
    before = finished.record.known_recipe.model_copy(
        update={"optimizer": changed, "pretraining": forked.recipe.pretraining}
    )
    assert forked.recipe == before


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        (["dropout.rate=0.3"], "dropout", [{"type": "dropout", "rate": 0.3}]),
        (["optimizer.type=sgd"], "optimizer", "sgd"),
        (["early_stopping=none", "epochs=7"], "epochs", 7),
        (["pretraining.layers=1", "batch_size=32"], "batch_size", 32),
        (["labels.round=second"], "labels", {"kind": "x", "round": "second"}),
    ],
)
def test_a_change_of_a_fork_keeps_what_it_does_not_name(
    client: Client, finished: ClientRun, changes: list[str], field: str, value: object
) -> None:
    options = [part for change in changes for part in ("--set", change)]
    [forked] = new_runs(client, bakehouse("fork", finished.id, *options, "--detach"))
    expected = client.validate({"dataset": "digits", "architecture": "mlp", "labels": {"kind": "x"}, field: value})
    assert forked.recipe.canonical()[field] == expected["recipe"][field]
    assert forked.name == "plain"


def test_a_fork_of_a_run_that_is_being_stopped_waits_for_its_end(
    client: Client, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = client.submit({"dataset": "digits", "architecture": "mlp", "epochs": 3})
    worker.claim(run.id)
    worker.log_losses(run.id, [0.5])
    worker.save_best(run.id, 1, b"weights")
    run.stop()
    wait = ClientRun.wait

    def wait_while_it_ends(stopping: ClientRun) -> ClientRun:
        worker.succeed(run.id)
        return wait(stopping)

    monkeypatch.setattr(ClientRun, "wait", wait_while_it_ends)
    result = bakehouse("fork", run.id, "--detach")
    [forked] = new_runs(client, result)
    assert forked.parent_run == run.id
    assert f"waiting until {run.id} is over (stop requested)" in result.stderr


def test_a_run_that_is_not_over_cannot_be_forked(client: Client) -> None:
    run = client.submit({"dataset": "digits", "architecture": "mlp"})
    result = bakehouse("fork", run.id, "--detach")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "queued" in result.stderr


def test_a_rerun_has_the_same_recipe(client: Client, finished: ClientRun) -> None:
    [again] = new_runs(client, bakehouse("rerun", finished.id, "--detach"))
    assert again.recipe_sha256 == finished.record.recipe_sha256
    assert (again.parent_run, again.reason) == (finished.id, "retried")


def test_a_rerun_takes_changes_and_another_seed(client: Client, finished: ClientRun) -> None:
    [again] = new_runs(client, bakehouse("rerun", finished.id, "--seed", "7", "--set", "norm=batch_norm", "--detach"))
    assert (again.recipe.seed, again.recipe.norm.type, again.name, again.labels) == (
        7, "batch_norm", "plain", {"kind": "x"}
    )  # fmt: skip


def test_a_rerun_for_several_seeds_makes_a_run_for_each(client: Client, finished: ClientRun) -> None:
    runs = new_runs(client, bakehouse("rerun", finished.id, "--seeds", "1-3", "--detach"))
    assert [run.recipe.seed for run in runs] == [1, 2, 3]
    assert {run.recipe_group_sha256 for run in runs} == {finished.record.recipe_group_sha256}


def test_a_new_run_is_watched(client: Client, worker: FakeWorker, finished: ClientRun) -> None:
    def work() -> None:
        (run_id,) = wait_until(worker.store.waiting)
        worker.train(run_id, [0.3])

    thread = threading.Thread(target=work)
    thread.start()
    result = bakehouse("rerun", finished.id, "-o", "best.safetensors")
    thread.join()
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].split()[1:3] == ["plain", "succeeded"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rerun", "ID", "--seed", "1", "--seeds", "0-4"], "not both"),
        (["rerun", "ID", "--seeds", "0-4", "-o", "x"], "a single run"),
        (["fork", "ID", "--detach", "-o", "x"], "a single run"),
        (["fork", "ID", "--set", "norm=none,batch_norm"], "--set norm=none"),
        (["rerun", "run_222222222222"], "bakehouse ls"),
        (["fork", "ID", "--set", "optimizer.lrr=1"], "/optimizer/lrr"),
    ],
)
def test_mistakes_are_refused_and_submit_nothing(
    client: Client, finished: ClientRun, arguments: list[str], words: str
) -> None:
    result = bakehouse(*(finished.id if each == "ID" else each for each in arguments))
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.stderr.split())
    assert [run.id for run in client.runs()] == [finished.id]


def test_a_single_number_of_seeds_gets_a_note(finished: ClientRun) -> None:
    assert "1 run, seed 5; 0-4 is five\n" in bakehouse("rerun", finished.id, "--seeds", "5", "--detach").stderr
