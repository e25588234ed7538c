"""The command against the real service: what it prints where, and its exit codes."""

import ast
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bakehouse.cli.main import app
from bakehouse.client import Client, ClientRun
from tests.live_service import Baker, LiveService

RECIPE = {"dataset": "digits", "architecture": "mlp", "name": "plain", "epochs": 3}
Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture(autouse=True)
def address(service: LiveService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command finds the service, and nobody's files."""
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    monkeypatch.setenv("BAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    """A file."""
    (tmp_path / "recipe.json").write_text(json.dumps(RECIPE))
    return "recipe.json"


def bakehouse(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


@pytest.fixture
def baked(client: Client, baker: Baker) -> ClientRun:
    """A finished run."""
    run = client.submit(RECIPE)
    baker.bake(run, [0.5, 0.4, 0.45])
    return run.refresh()


@pytest.fixture
def bake_next(baker: Baker, wait: Wait) -> Iterator[Callable[[Callable[[str], None]], None]]:
    """Does something to the next run that is submitted, beside the test."""
    threads: list[threading.Thread] = []

    def do(what: Callable[[str], None]) -> None:
        def work() -> None:
            wait(lambda: baker.store.claimable_count() > 0)
            what(baker.claim().id)

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    yield do
    for thread in threads:
        thread.join()


def test_run_shows_and_saves(recipe: str, baker: Baker, bake_next: Callable[..., None], tmp_path: Path) -> None:
    def work(run_id: str) -> None:
        baker.train(run_id, [0.5, 0.4])
        baker.keep(run_id, b"weights", loss=0.4)
        baker.succeed(run_id)

    bake_next(work)
    result = bakehouse("run", recipe, "-o", "best.safetensors")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "best.safetensors").read_bytes() == b"weights"
    header, row = result.stdout.splitlines()
    assert header.split() == ["RUN", "RECIPE", "STATUS", "BEST", "STOP", "VAL", "LOSS", "VAL", "ACC", "TIME"]
    assert row.split()[1:7] == ["plain", "succeeded", "e2", "e2", "0.4", "96.0%"]
    assert "plain  epoch 2/3  train 0.2  val 0.4" in result.stderr
    assert "file   best.safetensors" in result.stderr
    assert "next   bakehouse show run_" in result.stderr


def fail(baker: Baker, run_id: str) -> None:
    baker.fail(run_id)


def cancel(baker: Baker, run_id: str) -> None:
    baker.cancel(run_id)


@pytest.mark.parametrize(("end", "code", "words"), [(fail, 1, "/optimizer/lr"), (cancel, 5, "cancelled at epoch 0")])
def test_the_exit_code_is_true(
    recipe: str, baker: Baker, bake_next: Callable[..., None], end: Callable[..., None], code: int, words: str
) -> None:
    bake_next(lambda run_id: end(baker, run_id))
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
        (["run", "recipe.json", "--seeds", "0-1", "-o", "x"], None, 2, "one run"),
        (["run", "missing.json"], None, 2, "missing.json"),
        (["run", "-"], "{", 2, "not JSON"),
        (["run", "-"], "[]", 2, "object"),
        (["lint", "recipe.json", "--set", "epochs=0"], None, 2, "/epochs"),
        (["show", "run_222222222222"], None, 2, "bakehouse ls"),
        (["show", "../workers"], None, 2, "bakehouse ls"),
        (["code", "run_222222222222"], None, 2, "bakehouse ls"),
        (["watch"], None, 2, "Missing argument"),
        (["nonsense"], None, 2, "No such command"),
        (["ls", "--status", "burnt"], None, 2, "burnt"),
        (["ls", "--label", "x"], None, 2, "key:value"),
    ],
)
def test_exit_codes_of_mistakes(recipe: str, arguments: list[str], stdin: str | None, code: int, words: str) -> None:
    result = bakehouse(*arguments, stdin=stdin)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_nobody_there(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", "http://127.0.0.1:1")
    result = bakehouse("ls")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "bakehouse up" in result.stderr
    linted = bakehouse("lint", recipe)
    assert (linted.exit_code, "read on this machine" in linted.stderr) == (0, True)
    assert "parameters" in linted.stdout


def test_a_detached_run_is_one_id(recipe: str, client: Client) -> None:
    result = bakehouse("run", recipe, "--detach", "--seeds", "0-2")
    ids = result.stdout.split()
    assert [run.id for run in client.runs()] == ids[::-1]
    assert sorted(run.record.recipe.seed for run in client.runs()) == [0, 1, 2]
    assert len({run.record.recipe_group_sha256 for run in client.runs()}) == 1


def test_ctrl_c_leaves_the_run_alone(recipe: str, client: Client, wait: Wait) -> None:
    program = "from bakehouse.cli.main import app; app()"
    command = [sys.executable, "-c", program, "run", recipe]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert "queued" in first
    assert process.returncode == 130
    run = next(client.runs())
    assert f"bakehouse watch {run.id}" in said
    assert run.status == "queued"


def test_json_is_one_object_or_one_event_a_line(baked: ClientRun) -> None:
    listed = json.loads(bakehouse("ls", "--json").stdout)
    assert [run["id"] for run in listed["data"]] == [baked.id]
    assert json.loads(bakehouse("show", baked.id, "--json").stdout)["best"]["epoch"] == 3
    watched = bakehouse("watch", baked.id, "--json")
    events = [json.loads(line) for line in watched.stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {event["run"] for event in events} == {baked.id}
    assert json.loads(bakehouse("best", baked.id, "--json").stdout)["file"] == "best.safetensors"
    assert json.loads(bakehouse("datasets", "--json").stdout)["data"]
    assert json.loads(bakehouse("workers", "--json").stdout) == {"data": []}


def test_ls_and_show(baked: ClientRun, client: Client) -> None:
    client.submit({**RECIPE, "labels": {"kind": "x"}, "norm": "batch_norm"})
    lines = bakehouse("ls").stdout.splitlines()
    assert "digits mlp batch_norm  queued" in lines[1]
    assert "digits mlp             succeeded  3/3    e3    loss 0.4" in lines[2]
    assert len(bakehouse("ls", "--limit", "1").stdout.splitlines()) == 2
    assert len(bakehouse("ls", "--label", "kind:x").stdout.splitlines()) == 2
    shown = bakehouse("show", baked.id).stdout
    assert "best      epoch 3, validation_loss 0.4" in shown
    assert "architecture  mlp" in shown
    assert "batch_size" not in shown
    assert baked.best_checkpoint().sha256 in shown


def test_a_folder_that_is_not_there_is_said(baked: ClientRun) -> None:
    result = bakehouse("best", baked.id, "-o", "no/such/best.safetensors")
    assert result.exit_code == 2
    assert "no/such is no folder" in " ".join(result.stderr.split())


def test_nothing_is_trained_that_could_not_be_saved(recipe: str, client: Client) -> None:
    assert bakehouse("run", recipe, "-o", "no/such/best.safetensors").exit_code == 2
    assert list(client.runs()) == []


def test_asking(recipe: str, client: Client) -> None:
    run = client.submit(RECIPE)
    assert bakehouse("pause", run.id).stdout == f"{run.id}  paused\n"
    assert bakehouse("resume", run.id).stdout == f"{run.id}  queued\n"
    assert json.loads(bakehouse("cancel", run.id, "--json").stdout)["status"] == "cancelled"
    refused = bakehouse("stop", run.id)
    assert refused.exit_code == 1
    assert "cancelled" in refused.stderr


def test_watching_several(client: Client, baker: Baker) -> None:
    first, second = client.submit(RECIPE), client.submit({**RECIPE, "name": "other"})
    baker.bake(first, [0.5])
    baker.claim()
    baker.fail(second.id)
    result = bakehouse("watch", first.id, second.id)
    assert result.exit_code == 1
    assert [row.split()[1:3] for row in result.stdout.splitlines()[1:]] == [["plain", "succeeded"], ["other", "failed"]]


def test_asking_goes_on_behind_what_is_refused(client: Client, baked: ClientRun) -> None:
    run = client.submit(RECIPE)
    result = bakehouse("cancel", baked.id, "run_222222222222", run.id, run.id)
    assert result.exit_code == 1
    assert result.stdout == f"{run.id}  cancelled\n"
    assert result.stderr.count("bakehouse: ") == 2


def test_the_same_run_is_watched_once(baked: ClientRun) -> None:
    assert len(bakehouse("watch", baked.id, baked.id).stdout.splitlines()) == 2


def test_code_loads_the_file_that_best_saved(baked: ClientRun) -> None:
    saved = bakehouse("best", baked.id, "-o", "mine.safetensors")
    assert f"bakehouse code {baked.id} --file mine.safetensors" in saved.stderr
    code = bakehouse("code", baked.id, "--file", "mine.safetensors").stdout
    assert "head=nn.Linear(256, 10)" in code
    assert code.endswith('model.load_state_dict(load_file("mine.safetensors"))\nmodel.eval()\n')
    ast.parse(code)


def test_there_is_no_code_for_a_data_set_that_is_another_now(client: Client, baker: Baker) -> None:
    run = client.submit({"dataset": "iris", "architecture": "mlp"})
    baker.bake(run, [0.5])
    result = bakehouse("code", run.id)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "iris cannot be used: its files are not those that the run was trained on" in result.stderr


def test_a_bad_setting_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAKEHOUSE_URL")
    monkeypatch.setenv("BAKEHOUSE_PORT", "abc")
    result = bakehouse("ls")
    assert result.exit_code == 2
    assert "BAKEHOUSE_PORT" in result.stderr
