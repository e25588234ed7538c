"""`bakehouse experiment` against the real service with a fake worker."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bakehouse.cli.experiments.answer import choice_text
from bakehouse.cli.experiments.board import Board
from bakehouse.cli.experiments.grid_lines import grid_text
from bakehouse.cli.main import app
from bakehouse.client import Client, ClientExperiment
from tests.fake_worker import FakeWorker
from tests.processes import wait_until
from tests.running_service import RunningService

RECIPE = {"dataset": "iris", "architecture": {"type": "mlp", "hidden": [4]}, "epochs": 6}
QUESTION = {"recipe": RECIPE, "seeds": 2, "design": {"type": "grid", "axes": {"/norm": ["none", "batch_norm"]}}}
COLOUR = re.compile(r"\x1b\[(3\d|9\d|1;3\d)m")
STYLE = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
PROGRAM = "from bakehouse.cli.entry import main; main()"


@pytest.fixture(autouse=True)
def files(service: RunningService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command finds the test's service and some files."""
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    monkeypatch.setenv("BAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    Path("plain.json").write_text(json.dumps(RECIPE))
    Path("bn.json").write_text(json.dumps({**RECIPE, "norm": "batch_norm", "optimizer": "sgd", "seed": 7}))
    Path("question.json").write_text(json.dumps(QUESTION))


def experiment(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["experiment", *arguments], input=stdin)


def answer(*arguments: str) -> str:
    result = experiment(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def finish(worker: FakeWorker, run_id: str, accuracy: float) -> None:
    worker.claim(run_id)
    worker.log_losses(run_id, [0.9, 0.4, 0.5, 0.6])
    worker.save_best(run_id, 2, run_id.encode(), loss=0.4, validation_accuracy=accuracy)
    worker.succeed(run_id)


def work(worker: FakeWorker, client: Client, fail: str | None = None) -> None:
    """Trains the runs of the next experiment: each arm is better than the one before."""
    row = wait_until(lambda: next(client.experiments(), None))
    found = client.experiment(row.id)
    for each in found.runs:
        place = [arm.name for arm in found.record.arms].index(each.arm)
        if fail == f"{each.arm}/{each.seed}":
            worker.claim(each.run)
            worker.fail(each.run)
        else:
            finish(worker, each.run, 0.7 + place / 10 + each.seed / 100)


@pytest.fixture
def finished(client: Client, worker: FakeWorker) -> ClientExperiment:
    posted = client.experiment(QUESTION, name="norms")
    work(worker, client)
    return posted.refresh()


@pytest.mark.parametrize("fail", [None, "norm=batch_norm/1"])
def test_a_file_is_run_and_the_last_line_is_the_answer(client: Client, worker: FakeWorker, fail: str | None) -> None:
    thread = threading.Thread(target=work, args=(worker, client, fail))
    thread.start()
    result = experiment("run", "question.json", "--name", "norms", "--priority", "1", "--max-running", "3")
    thread.join()
    assert result.exit_code == (0 if fail is None else 1), result.output
    lines = result.stdout.splitlines()
    assert lines[1].split("\t")[0] == "norm=none"
    [row] = client.experiments()
    assert lines[-1] == client.experiment(row.id).results().sentence
    assert "norm=none, seed 0: validation_accuracy 70.0 %" in result.stderr
    assert "(4 of 4 runs)" in result.stderr
    assert ("norm=batch_norm, seed 1: failed: The loss is not finite." in result.stderr) == (fail is not None)
    assert (row.name, row.priority, row.max_running) == ("norms", 1, 3)


def document_of(client: Client) -> dict[str, Any]:
    return client.experiment(next(client.experiments()).id).record.plain_document


def test_recipes_are_compared_by_patches_between_them(client: Client) -> None:
    result = experiment("compare", "plain.json", "bn.json", "plain.json", "--seeds", "0-2", "--detach")
    assert result.exit_code == 2
    assert "'plain' and 'plain (2)' have the same canonical recipe" in result.stderr
    result = experiment("compare", "plain.json", "bn.json", "--seeds", "0-2", "--detach", "--no-reuse")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() in result.stderr
    assert "the seed 7 of bn.json is left out" in result.stderr
    document = document_of(client)
    assert document["design"]["variants"]["plain"] == {}
    assert set(document["design"]["variants"]["bn"]) == {"norm", "optimizer"}
    assert (document["design"]["baseline"], document["seeds"], document["reuse"]) == ("plain", [0, 1, 2], False)


def test_a_run_and_a_recipe_are_ablated_and_a_grid_is_made(client: Client) -> None:
    run = client.submit({**RECIPE, "norm": "batch_norm", "dropout": 0.2, "seed": 3}, name="both")
    answer("ablate", run.id, "--detach")
    assert (document_of(client)["name"], document_of(client)["seeds"]) == ("what helps in both", [0, 1, 2, 3, 4])
    answer("ablate", "bn.json", "--set", "dropout=0.1", "--ingredient", "norm", "--folds", "3", "--detach")
    document = document_of(client)
    assert (document["design"]["ingredients"], document["folds"]) == (["norm"], 3)
    axes = ["--axis", "/norm=none,batch_norm", "--axis", 'optimizer={"type": "sgd", "lr": 0.1},"adam"']
    assert json.loads(answer("grid", "plain.json", *axes, "--seeds", "1", "--detach", "--json"))["seeds"] == [1]
    assert document_of(client)["design"]["axes"] == {
        "/norm": ["none", "batch_norm"],
        "/optimizer": [{"type": "sgd", "lr": 0.1}, "adam"],
    }


def test_an_experiment_is_looked_at(finished: ClientExperiment) -> None:
    lines = answer("ls").splitlines()
    assert lines[1].split("\t")[:5] == [finished.id, "norms", "grid", "finished", "4/4"]
    shown = answer("show", finished.id)
    assert "norm=batch_norm  ✓✓  80.5 %" in shown
    assert shown.rstrip().endswith(finished.results().sentence)
    assert answer("results", finished.id).rstrip().endswith(finished.results().sentence)
    assert json.loads(answer("results", finished.id, "--json")) == finished.results().model_dump(mode="json")
    rows = [line.split(",") for line in answer("results", finished.id, "--csv").splitlines()]
    assert rows[1][:3] == ["norm=none", "0", ""]
    assert [float(row[-1]) for row in rows[1:]] == pytest.approx([0.7, 0.71, 0.8, 0.81])
    assert json.loads(answer("show", finished.id, "--fields", "status")) == {"status": "finished"}
    assert answer("watch", finished.id).rstrip().endswith(finished.results().sentence)


def test_a_what_if_and_a_report_are_printed(finished: ClientExperiment) -> None:
    lines = answer("what-if", finished.id, "--patience", "1", "--patience", "9").splitlines()
    assert lines[1].split("\t")[:3] == ["all", "patience 1", "4 of 4"]
    assert lines[-1].startswith("patience 1 would have stopped 4 of 4 runs")
    assert answer("report", finished.id).startswith("# norms\n")
    assert answer("report", finished.id, "-o", "report.html") == "report.html\n"
    assert "<svg" in Path("report.html").read_text()
    assert answer("report", finished.id, "--html").startswith("<!doctype html>")


def test_an_experiment_is_extended_paused_resumed_cancelled_and_deleted(
    client: Client, finished: ClientExperiment
) -> None:
    answer("extend", finished.id, "--seeds", "2-3", "--axis", "/norm=layer_norm", "--detach")
    assert len(finished.refresh().runs) == 12
    assert answer("pause", finished.id) == f"{finished.id}  paused\n"
    answer("resume", finished.id)
    assert experiment("rm", finished.id, "--yes").exit_code == 1
    assert answer("cancel", finished.id) == f"{finished.id}  cancelled\n"
    refused = experiment("stop", finished.id, "exp_222222222222")
    assert (refused.exit_code, "bakehouse experiment ls" in refused.stderr) == (1, True)
    kept = experiment("rm", finished.id)
    assert (kept.exit_code, "12 runs with all checkpoints" in kept.stderr, "--yes" in kept.stderr) == (2, True, True)
    assert answer("rm", finished.id, "--yes").startswith(f"deleted {finished.id} with 12 runs")
    assert list(client.experiments()) == []
    assert "an experiment is one question" in experiment("ls").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "plain.json"], "bakehouse experiment ablate plain.json"),
        (["ablate", "plain.json"], "nothing to take away"),
        (["compare", "plain.json"], "at least two recipes"),
        (["grid", "plain.json", "--axis", "/norm"], "is not of the form /norm=none,batch_norm"),
        (["grid", "plain.json", "--axis", "/nrm=none,1"], "/design/axes/~1nrm"),
        (["extend", "exp_222222222222"], "--seeds, --axis or --variant"),
        (["extend", "exp_222222222222", "--variant", "x"], 'wet={"dropout": 0.5}'),
        (["show", "exp_222222222222"], "`bakehouse experiment ls` lists the experiments"),
        (["run", "question.json", "--metric", "validation_acuracy"], "the experiment was refused"),
    ],
)
def test_mistakes_have_an_exit_code_and_a_message(client: Client, arguments: list[str], words: str) -> None:
    result = experiment(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert list(client.experiments()) == []


def test_a_timeout_leaves_the_runs_alone(client: Client) -> None:
    result = experiment("run", "question.json", "--timeout", "0.1")
    assert result.exit_code == 124
    assert "bakehouse experiment watch exp_" in result.stderr
    assert next(client.experiments()).status == "queued"


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:1"])
def test_lint_checks_an_experiment_with_and_without_a_service(
    monkeypatch: pytest.MonkeyPatch, client: Client, url: str | None
) -> None:
    if url is not None:
        monkeypatch.setenv("BAKEHOUSE_URL", url)
    linted = CliRunner().invoke(app, ["lint", "question.json"])
    assert linted.exit_code == 0, linted.output
    assert "arms        2 arms: norm=none, norm=batch_norm" in linted.stdout.replace("\t", " ")
    assert "runs        4" in linted.stdout
    space = {"/optimizer/lr": {"type": "log_uniform", "low": 0.001, "high": 0.1}}
    search = {
        "recipe": RECIPE,
        "design": {"type": "search", "space": space, "trials": 5, "confirm": {"top": 1, "seeds": 2}},
    }
    Path("search.json").write_text(json.dumps(search))
    assert "runs        9\n" in CliRunner().invoke(app, ["lint", "search.json"]).stdout
    bad = {**QUESTION, "design": {"type": "variants", "variants": {"a": {}, "b": {"epochs": 0}}}}
    Path("bad.json").write_text(json.dumps(bad))
    refused = CliRunner().invoke(app, ["lint", "bad.json"])
    assert refused.exit_code == 2
    assert "the experiment was refused\n  /design/variants/b/epochs" in refused.stderr
    assert list(client.experiments()) == []


def test_a_search_begins_without_arms(client: Client) -> None:
    space = {"/optimizer/lr": {"type": "log_uniform", "low": 0.001, "high": 0.1}}
    posted = client.experiment(recipe=RECIPE, design={"type": "search", "space": space, "trials": 5})
    assert answer("results", posted.id).startswith("ARM\tN\tVAL ACC\t95 % INTERVAL\tDIFFERS IN\n")
    shown = answer("show", posted.id)
    assert "waits for the first trial" in shown
    assert shown.count("No supervisor is running") == 1
    board = Board(posted.record)
    assert "No supervisor is running" in grid_text(board, width=80, height=20, seconds=1).plain
    assert experiment("watch", posted.id, "--timeout", "0.1").stderr.count("No supervisor is running") == 1
    assert "the search has no trial yet" in plot(posted.id).stderr
    assert [choice_text("/optimizer/lr", 0.07281273), choice_text("/norm", {"type": "batch_norm", "eps": 1e-5})] == [
        "lr=0.0728", "norm=batch_norm",
    ]  # fmt: skip


@pytest.fixture
def terminal(service: RunningService) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The command that runs the question on a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "90", "LINES": "20", "NO_COLOR": "1"}
    command = [sys.executable, "-c", PROGRAM, "experiment", "run", "question.json"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        yield process, ours
        process.kill()
    os.close(ours)


def read_until(side: int, words: str) -> str:
    """Reads what a terminal shows until the words are there; returns it without styles."""
    text = ""
    while words not in STYLE.sub("", text):
        text += os.read(side, 4096).decode(errors="replace")
    assert not COLOUR.search(text)
    return STYLE.sub("", text)


def test_a_terminal_shows_a_grid_of_marks_and_ctrl_c_only_stops_watching(
    terminal: tuple["subprocess.Popen[bytes]", int], client: Client, worker: FakeWorker
) -> None:
    process, side = terminal
    first = read_until(side, "waits")
    assert "norm=batch_norm  ··" in first
    posted = client.experiment(next(client.experiments()).id)
    finish(worker, posted.runs[0].run, 0.7)
    shown = read_until(side, "✓ done")
    assert "✓·  70.0 %" in shown
    process.send_signal(signal.SIGINT)
    assert f"bakehouse experiment watch {posted.id}" in read_until(side, "gives up")
    assert process.wait() == 130
    assert posted.refresh().status == "running"


def plot(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plot", *arguments])


def test_an_experiment_and_its_runs_are_plotted(finished: ClientExperiment) -> None:
    runs = [each.run for each in finished.runs]
    assert plot(finished.id).stdout == f"{finished.id}.png\n"
    assert Path(f"{finished.id}.png").read_bytes().startswith(b"\x89PNG")
    assert plot(finished.id, "-o", "dots.svg").exit_code == 0
    assert "norm=batch_norm" in Path("dots.svg").read_text()
    first = Path("dots.svg").read_bytes()
    assert plot(finished.id, "-o", "dots.svg").exit_code == 0
    assert Path("dots.svg").read_bytes() == first
    assert plot(finished.id, "--kind", "curves", "--metric", "validation_loss", "-o", "curves.svg").exit_code == 0
    assert "range of 2 runs" in Path("curves.svg").read_text()
    assert plot(*runs, "-o", "runs.svg").exit_code == 0
    assert plot(runs[0], "-o", "run.svg").exit_code == 0
    assert "train_loss" in Path("run.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["EXP", "--kind", "interaction"], "only a factorial has interactions"),
        (["EXP", "--kind", "curves", "--metric", "validation_los"], "did you mean 'validation_loss'?"),
        (["EXP", "--metric", "validation_loss"], "works with --kind curves"),
        (["EXP", "RUN"], "give one experiment, or one or more runs"),
        (["RUN", "--kind", "dots"], "runs are drawn as curves"),
        (["EXP", "-o", "picture.gif"], "should end in one of .png, .svg, .pdf"),
    ],
)
def test_what_cannot_be_plotted_is_refused(finished: ClientExperiment, arguments: list[str], words: str) -> None:
    ids = {"EXP": finished.id, "RUN": finished.runs[0].run}
    result = plot(*(ids.get(each, each) for each in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in " ".join(result.stderr.split())


def test_without_matplotlib_the_command_to_install_it_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakehouse.cli.commands.serving.find_spec", lambda name: None)
    result = plot("run_222222222222")
    assert result.exit_code == 2
    assert "matplotlib is not installed here: pip install 'bakehouse[plot]'" in " ".join(result.stderr.split())
