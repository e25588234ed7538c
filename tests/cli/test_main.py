"""The command against the real service: its output on stdout and stderr, and its exit codes."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bakehouse.cli.listing import NO_RUNS
from bakehouse.cli.main import COMMANDS, INSTEAD, app
from bakehouse.client import Client, ClientRun
from bakehouse.runs.attempt_logs import open_attempt_log
from tests.fake_worker import FakeWorker
from tests.processes import wait_until
from tests.running_service import RunningService

ROOT = Path(__file__).parents[2]
RECIPE = {"dataset": "digits", "architecture": "mlp", "name": "plain", "epochs": 3}


@pytest.fixture(autouse=True)
def address(service: RunningService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command finds the test's service and an empty home."""
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    monkeypatch.setenv("BAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    """The path of a recipe file."""
    (tmp_path / "recipe.json").write_text(json.dumps(RECIPE))
    return "recipe.json"


def test_other_names_lead_to_commands_and_pages_that_exist() -> None:
    names = {command.__name__ for command in COMMANDS} | {"data", "experiment", "keys", "store"}
    assert names & set(INSTEAD) == set()
    for hint in INSTEAD.values():
        assert set(re.findall(r"`bakehouse (\w+)", hint)) <= names
        assert all((ROOT / page).is_file() for page in re.findall(r"docs/\w+\.md", hint))


def bakehouse(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


@pytest.fixture
def finished(client: Client, worker: FakeWorker) -> ClientRun:
    """A run that has succeeded."""
    run = client.submit(RECIPE)
    worker.train(run.id, [0.5, 0.4, 0.45])
    return run.refresh()


@pytest.fixture
def handle_next_run(worker: FakeWorker) -> Iterator[Callable[[Callable[[str], None]], None]]:
    """Starts a thread that plays the worker of the next run that is submitted."""
    threads: list[threading.Thread] = []

    def start(handle: Callable[[str], None]) -> None:
        def work() -> None:
            (run_id,) = wait_until(worker.store.waiting)
            worker.claim(run_id)
            handle(run_id)

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()


def test_run_shows_the_training_and_saves_the_weights(
    recipe: str, worker: FakeWorker, handle_next_run: Callable[..., None], tmp_path: Path
) -> None:
    def work(run_id: str) -> None:
        worker.log_losses(run_id, [0.5, 0.4])
        worker.save_best(run_id, 2, b"weights", loss=0.4)
        worker.succeed(run_id)

    handle_next_run(work)
    result = bakehouse("run", recipe, "-o", "best.safetensors")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "best.safetensors").read_bytes() == b"weights"
    header, row = result.stdout.splitlines()
    assert header.split() == ["RUN", "RECIPE", "STATUS", "BEST", "STOP", "VAL", "LOSS", "VAL", "ACC", "TIME"]
    assert row.split()[1:7] == ["plain", "succeeded", "e2", "e2", "0.4", "96.0%"]
    assert "plain  epoch 2/3  train 0.2  val 0.4" in result.stderr
    assert "file     best.safetensors" in result.stderr
    assert "next     bakehouse show run_" in result.stderr


def fail(worker: FakeWorker, run_id: str) -> None:
    worker.fail(run_id)


def cancel(worker: FakeWorker, run_id: str) -> None:
    worker.cancel(run_id)


@pytest.mark.parametrize(("end", "code", "words"), [(fail, 1, "/optimizer/lr"), (cancel, 5, "cancelled it at epoch 0")])
def test_the_exit_code_is_that_of_the_run(
    recipe: str,
    worker: FakeWorker,
    handle_next_run: Callable[..., None],
    end: Callable[..., None],
    code: int,
    words: str,
) -> None:
    handle_next_run(lambda run_id: end(worker, run_id))
    result = bakehouse("run", recipe)
    assert result.exit_code == code
    assert words in result.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "words"),
    [
        (["run", "recipe.json", "--timeout", "0"], None, 124, "bakehouse watch run_"),
        (["run", "recipe.json", "--set", "norm=batchnorm"], None, 2, "/norm"),
        (["run", "recipe.json", "--set", "norm"], None, 2, "field=value"),
        (["run", "recipe.json", "--seeds", "x"], None, 2, "0-4"),
        (["run", "recipe.json", "--seeds", "0-1", "-o", "x"], None, 2, "a single run"),
        (["run", "missing.json"], None, 2, "missing.json"),
        (["run", "-"], "{", 2, "cannot be read"),
        (["run", "-"], "[]", 2, "object"),
        (["lint", "recipe.json", "--set", "epochs=0"], None, 2, "/epochs"),
        (["show", "run_222222222222"], None, 2, "bakehouse ls"),
        (["show", "../workers"], None, 2, "bakehouse ls"),
        (["code", "run_222222222222"], None, 2, "bakehouse ls"),
        (["watch"], None, 2, "Missing argument"),
        (["nonsense"], None, 2, "No such command"),
        (["infer", "run_1"], None, 2, "`bakehouse predict ID FILE`"),
        (["logs"], None, 2, "`bakehouse log ID`"),
        (["ls", "--status", "lost"], None, 2, "lost"),
        (["ls", "--label", "x"], None, 2, "key:value"),
    ],
)
def test_mistakes_have_an_exit_code_and_a_message(
    recipe: str, arguments: list[str], stdin: str | None, code: int, words: str
) -> None:
    result = bakehouse(*arguments, stdin=stdin)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_without_a_service_only_lint_works(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", "http://127.0.0.1:1")
    result = bakehouse("ls")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "bakehouse up" in result.stderr
    linted = bakehouse("lint", recipe)
    assert (linted.exit_code, "data sets of this machine" in linted.stderr) == (0, True)
    assert "parameters" in linted.stdout


def test_a_detached_run_prints_only_its_id(recipe: str, client: Client) -> None:
    result = bakehouse("run", recipe, "--detach", "--seeds", "0-2")
    ids = result.stdout.split()
    assert [run.id for run in client.runs()] == ids[::-1]
    assert sorted(run.record.known_recipe.seed for run in client.runs()) == [0, 1, 2]
    assert len({run.record.recipe_group_sha256 for run in client.runs()}) == 1


def test_ctrl_c_ends_the_watching_and_not_the_run(recipe: str, client: Client) -> None:
    command = [sys.executable, "-c", "from bakehouse.cli.entry import main; main()", "run", recipe]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert "queued" in first
    assert process.returncode == 130
    run = next(client.runs())
    assert f"bakehouse watch {run.id}" in rest
    assert run.status == "queued"


def test_json_is_one_object_or_one_event_per_line(finished: ClientRun) -> None:
    listed = json.loads(bakehouse("ls", "--json").stdout)
    assert [run["id"] for run in listed["data"]] == [finished.id]
    assert json.loads(bakehouse("show", finished.id, "--json").stdout)["best"]["epoch"] == 2
    watched = bakehouse("watch", finished.id, "--json")
    events = [json.loads(line) for line in watched.stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {event["run"] for event in events} == {finished.id}
    assert json.loads(bakehouse("best", finished.id, "--json").stdout)["file"] == "best.safetensors"
    assert json.loads(bakehouse("datasets", "--json").stdout)["data"]
    assert json.loads(bakehouse("workers", "--json").stdout) == {"data": []}


def test_ls_lists_runs_and_show_has_the_details(finished: ClientRun, client: Client) -> None:
    client.submit({**RECIPE, "labels": {"kind": "x"}, "norm": "batch_norm"})
    lines = bakehouse("ls").stdout.splitlines()
    assert "\tdigits mlp\tqueued\t0/3\t\t\t" in lines[1]
    assert "\tplain\tdigits mlp\tsucceeded\t3/3\te2\t0.4 loss\t" in lines[2]
    assert len(bakehouse("ls", "--limit", "1").stdout.splitlines()) == 2
    assert len(bakehouse("ls", "--label", "kind:x").stdout.splitlines()) == 2
    shown = bakehouse("show", finished.id).stdout
    assert "best      epoch 2, validation_loss 0.4" in shown
    assert "architecture  mlp" in shown
    assert "batch_size" not in shown
    assert finished.best_checkpoint().sha256 in shown


def test_fields_choose_what_is_printed(finished: ClientRun, client: Client) -> None:
    waiting = client.submit(RECIPE)
    listed = json.loads(bakehouse("ls", "--json", "--fields", "id,best.epoch,recipe.optimizer.type").stdout)
    assert listed["data"] == [
        {"id": waiting.id, "best": None, "recipe": {"optimizer": {"type": "adam"}}},
        {"id": finished.id, "best": {"epoch": 2}, "recipe": {"optimizer": {"type": "adam"}}},
    ]
    shown = bakehouse("show", finished.id, "--json", "--fields", "status, best.metrics")
    assert finished.best is not None
    assert json.loads(shown.stdout) == {"status": "succeeded", "best": {"metrics": finished.best.metrics}}
    refused = bakehouse("show", finished.id, "--json", "--fields", "best.epohc")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "best has no field 'epohc'; did you mean 'epoch'?" in " ".join(refused.stderr.split())


@pytest.mark.parametrize(
    ("command", "heading", "lesson"),
    [
        (["ls"], "RUN\t", "a run is one training of one recipe"),
        (["ls", "--status", "failed"], "RUN\t", "`bakehouse ls` lists all runs"),
        (["workers"], "WORKER\t", "a worker is a process that trains one run at a time"),
    ],
)
def test_an_empty_list_says_what_it_would_list(
    service: RunningService, command: list[str], heading: str, lesson: str
) -> None:
    result = bakehouse(*command)
    assert result.exit_code == 0
    assert result.stdout.startswith(heading)
    assert lesson in result.stderr


def test_the_line_of_an_empty_list_makes_a_run(client: Client) -> None:
    [line] = [line for line in NO_RUNS.splitlines() if "next: " in line]
    posted, _, command = line.partition("next: echo ")[2].partition(" | bakehouse ")
    assert bakehouse(*command.split(), "--detach", stdin=posted.strip("'")).exit_code == 0
    assert next(client.runs()).status == "queued"


def test_a_missing_folder_is_reported(finished: ClientRun) -> None:
    result = bakehouse("best", finished.id, "-o", "no/such/best.safetensors")
    assert result.exit_code == 2
    assert "no/such is not a folder" in " ".join(result.stderr.split())


def test_nothing_is_submitted_if_the_weights_could_not_be_saved(recipe: str, client: Client) -> None:
    assert bakehouse("run", recipe, "-o", "no/such/best.safetensors").exit_code == 2
    assert list(client.runs()) == []


def test_runs_are_paused_resumed_and_cancelled(recipe: str, client: Client) -> None:
    run = client.submit(RECIPE)
    assert bakehouse("pause", run.id).stdout == f"{run.id}  paused\n"
    assert bakehouse("resume", run.id).stdout == f"{run.id}  queued\n"
    assert json.loads(bakehouse("cancel", run.id, "--json").stdout)["status"] == "cancelled"
    refused = bakehouse("stop", run.id)
    assert refused.exit_code == 1
    assert "cancelled" in refused.stderr


def test_runs_are_submitted_with_a_priority_that_is_changed_later(recipe: str, client: Client) -> None:
    first = client.submit(RECIPE)
    second = bakehouse("run", recipe, "--detach", "--priority", "1").stdout.strip()
    assert bakehouse("change", first.id, "--priority", "2").stdout == (
        f"{first.id}  queued, priority 2, place 1 in the queue\n"
    )
    assert bakehouse("change", second, "--priority", "-2", "--fields", "priority,queue.position").exit_code == 0
    assert client.run(second).record.priority == -2
    first.cancel()
    refused = bakehouse("change", first.id, "--priority", "3")
    assert refused.exit_code == 1
    assert "cannot be given another priority" in refused.stderr


def test_a_verified_run_is_identical(
    finished: ClientRun, handle_next_run: Callable[[Callable[[str], None]], None], worker: FakeWorker
) -> None:
    handle_next_run(worker.succeed)
    result = bakehouse("verify", finished.id)
    assert result.exit_code == 0
    assert result.stdout.startswith("identical: run_")
    assert f"repeats {finished.id} to the bit" in result.stdout


def test_a_verification_without_a_verdict_has_failed(
    finished: ClientRun, handle_next_run: Callable[[Callable[[str], None]], None], worker: FakeWorker
) -> None:
    handle_next_run(worker.cancel)
    result = bakehouse("verify", finished.id)
    assert result.exit_code == 1
    assert result.stdout.startswith("no verdict: run_")


def test_several_runs_are_watched(client: Client, worker: FakeWorker) -> None:
    first, second = client.submit(RECIPE), client.submit({**RECIPE, "name": "other"})
    worker.train(first.id, [0.5])
    worker.claim(second.id)
    worker.fail(second.id)
    result = bakehouse("watch", first.id, second.id)
    assert result.exit_code == 1
    assert [row.split()[1:3] for row in result.stdout.splitlines()[1:]] == [["plain", "succeeded"], ["other", "failed"]]


def test_a_refused_request_does_not_keep_the_others_from_being_sent(client: Client, finished: ClientRun) -> None:
    run = client.submit(RECIPE)
    result = bakehouse("cancel", finished.id, "run_222222222222", run.id, run.id)
    assert result.exit_code == 1
    assert result.stdout == f"{run.id}  cancelled\n"
    assert result.stderr.count("bakehouse: ") == 2


def test_the_same_run_is_watched_once(finished: ClientRun) -> None:
    assert len(bakehouse("watch", finished.id, finished.id).stdout.splitlines()) == 2


def test_the_script_loads_the_file_that_best_saved(finished: ClientRun) -> None:
    saved = bakehouse("best", finished.id, "-o", "mine.safetensors")
    assert f"bakehouse code {finished.id} --file mine.safetensors" in saved.stderr
    code = bakehouse("code", finished.id, "--file", "mine.safetensors").stdout
    assert "head=nn.Linear(256, 10)" in code
    assert code.endswith('model.load_state_dict(load_file("mine.safetensors"))\nmodel.eval()\n')
    ast.parse(code)


def test_there_is_no_script_if_the_data_set_has_changed(client: Client, worker: FakeWorker) -> None:
    run = client.submit({"dataset": "iris", "architecture": "mlp"})
    worker.claim(run.id)
    worker.succeed(run.id, dataset_fingerprint="sha256:0")
    result = bakehouse("code", run.id)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "iris cannot be used: its files have changed since the run was trained on them" in result.stderr


def test_an_invalid_setting_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAKEHOUSE_URL")
    monkeypatch.setenv("BAKEHOUSE_PORT", "abc")
    result = bakehouse("ls")
    assert result.exit_code == 2
    assert "BAKEHOUSE_PORT" in result.stderr


def test_the_log_of_an_attempt_is_printed_without_control_characters(
    finished: ClientRun, worker: FakeWorker, tmp_path: Path
) -> None:
    missing = bakehouse("log", finished.id)
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "has no log yet" in missing.stderr
    log = open_attempt_log(worker.artifacts.attempts_folder(finished.id), 1)
    os.write(log, b"one\n\ttwo\x1b[2J\n")
    os.close(log)
    assert bakehouse("log", finished.id).stdout == "one\n    two?[2J\n"
    document = json.loads(bakehouse("log", finished.id, "--json", "--attempt", "1").stdout)
    assert document == {"id": finished.id, "log": "one\n\ttwo\x1b[2J\n"}
