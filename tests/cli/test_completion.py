"""`bakehouse completion`, in real shells."""

import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bakehouse.cli.completion import completion_script, prepare_answer
from bakehouse.cli.main import app
from bakehouse.client import Client
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService

BASH = """
source ./script
COMP_WORDS=(bakehouse "$@")
COMP_CWORD=$#
_bakehouse_completion bakehouse
printf '%s\\n' "${COMPREPLY[@]}"
"""
SHELLS = {"bash": ("--norc", "--noprofile", "-i"), "zsh": ("-f", "-i"), "fish": ("--no-config", "-i")}
BEFORE = {"bash": "", "zsh": "autoload -U compinit; compinit -D; ", "fish": ""}
"""What a user's own settings do before the script is read."""
READY = "ready-now"
SECONDS = 30.0
RECIPE = {"dataset": "digits", "architecture": "mlp"}


def environment(url: str = "") -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "BAKEHOUSE_URL": url, "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def bash_answer(folder: Path, words: str, url: str = "http://127.0.0.1:1") -> subprocess.CompletedProcess[str]:
    """What bash offers after these words."""
    (folder / "script").write_text(completion_script("bash"))
    command = ["bash", "-c", BASH, "-", *words.split()]
    return subprocess.run(command, cwd=folder, env=environment(url), capture_output=True, text=True, check=True)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("co", {"code", "compare", "completion", "cookbook"}),
        ("new spiral/mlp_3", {"spiral/mlp_32_32", "spiral/mlp_32_32_tanh"}),
        ("explain norm.group_norm.n", {"norm.group_norm.num_groups"}),
    ],
)
def test_bash_completes_commands_and_names(tmp_path: Path, words: str, completed: set[str]) -> None:
    assert set(bash_answer(tmp_path, words).stdout.split()) == completed


def offered(*words: str) -> set[str]:
    """What this process would offer a bash."""
    asked = {"_BAKEHOUSE_COMPLETE": "complete_bash", "COMP_CWORD": str(len(words))}
    words = ("bakehouse", *words)
    answer = CliRunner().invoke(app, env={**asked, "COMP_WORDS": "\n".join(words)}, prog_name="bakehouse")
    return set(answer.stdout.split())


def test_ids_of_runs_are_completed_where_their_status_fits(
    service: RunningService, client: Client, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    prepare_answer()
    over, running, paused = (client.submit({**RECIPE, "seed": seed}).id for seed in range(3))
    client.run(paused).pause()
    worker.train(over, [0.5])
    worker.claim(running)
    for command in (
        "show",
        "watch",
        "fork",
        "rerun",
        "verify",
        "log",
        "compare",
        "best",
        "predict",
        "code",
        "split",
        "diff",
    ):
        assert offered(command, "run_") == {over, running, paused}
    assert offered("diff", over, "run_") == {over, running, paused}
    for command in ("stop", "cancel", "pause"):
        assert offered(command, over, "run_") == {running, paused}
    assert offered("resume", "run_") == {paused}
    assert offered("show", over[:-1]) == {over}
    experiment = client.ablate({**RECIPE, "norm": "batch_norm"}).id
    for command in ("show", "results", "watch", "extend", "what-if", "report", "rm", "cancel"):
        assert offered("experiment", command, "exp_") == {experiment}


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "no address", "ftp://127.0.0.1"])
def test_without_a_service_nothing_is_offered_and_nothing_is_said(tmp_path: Path, url: str) -> None:
    answer = bash_answer(tmp_path, "show run_", url)
    assert (answer.stdout.split(), answer.stderr) == ([], "")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_tab_completes_the_id_of_a_run(tmp_path: Path, service: RunningService, client: Client, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    run = client.submit(RECIPE)
    (tmp_path / "script").write_text(completion_script(shell))
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["setsid", "--ctty", program, *SHELLS[shell]], cwd=tmp_path, env=environment(service.url),
        stdin=theirs, stdout=theirs, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            # The words of the command are also echoed, so that its output has to differ from it.
            os.write(ours, f"{BEFORE[shell]}source ./script; echo 'ready now' | tr ' ' -\n".encode())
            assert READY in read_until(ours, READY)
            os.write(ours, b"bakehouse show run_\t")
            rest = run.id.removeprefix("run_")
            assert rest in read_until(ours, rest)
        finally:
            process.kill()
            os.close(ours)


def read_until(terminal: int, text: str) -> str:
    """Reads what a terminal shows until the text is there, or nothing more comes."""
    shown = ""
    while text not in shown and select.select([terminal], [], [], SECONDS)[0]:
        shown += os.read(terminal, 1 << 16).decode(errors="replace")
    return shown
