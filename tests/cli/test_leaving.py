"""Ctrl-C while a run is watched, on a real terminal."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bakehouse.cli.leaving import detached_text, stop_all
from bakehouse.client import Client, ClientRun
from tests.fake_worker import FakeWorker
from tests.processes import wait_until
from tests.running_service import RunningService

PROGRAM = "from bakehouse.cli.entry import main; main()"


class Terminal:
    """A process that believes to be on a terminal."""

    def __init__(self, process: "subprocess.Popen[bytes]", side: int) -> None:
        self.process = process
        self.side = side
        self.text = ""

    def wait_for(self, words: str) -> None:
        while words not in self.text:
            self.text += os.read(self.side, 4096).decode(errors="replace")

    def send(self, text: str) -> None:
        os.write(self.side, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)


@contextmanager
def watch(run: ClientRun, service: RunningService) -> Iterator[Terminal]:
    """Watches a run until its first event is shown."""
    side, other = pty.openpty()
    environment = {**os.environ, "BAKEHOUSE_URL": service.url, "TERM": "xterm", "COLUMNS": "200"}
    command = [sys.executable, "-c", PROGRAM, "watch", run.id]
    with subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=environment) as process:
        # Otherwise a read would wait for ever once the process has ended.
        os.close(other)
        terminal = Terminal(process, side)
        terminal.wait_for("step 1" if run.refresh().status == "running" else "waiting for a worker")
        yield terminal
        process.kill()
    os.close(side)


@pytest.fixture
def run(client: Client, worker: FakeWorker) -> ClientRun:
    """A run that is being trained."""
    run = client.submit({"dataset": "digits", "architecture": "mlp", "epochs": 3})
    worker.claim(run.id)
    worker.log_steps(run.id, 1, 1)
    return run


def test_ctrl_c_offers_to_stop_and_keep_the_best(run: ClientRun, service: RunningService, worker: FakeWorker) -> None:
    with watch(run, service) as terminal:
        terminal.interrupt()
        terminal.wait_for("now and keep the best (s)")
        terminal.send("s\n")
        wait_until(lambda: run.refresh().record.request == "stop")
        worker.log_losses(run.id, [0.5])
        worker.save_best(run.id, 1, b"weights")
        worker.succeed(run.id)
        terminal.wait_for("not downloaded: bakehouse best")
        assert terminal.process.wait() == 130
    assert run.refresh().status == "succeeded"


@pytest.mark.parametrize("again", [False, True])
def test_any_other_answer_lets_the_run_continue(run: ClientRun, service: RunningService, again: bool) -> None:
    with watch(run, service) as terminal:
        terminal.interrupt()
        terminal.wait_for("(Enter)? ")
        if again:
            terminal.interrupt()
        else:
            terminal.send("\n")
        terminal.wait_for(f"bakehouse cancel {run.id}")
        assert terminal.process.wait() == 130
    assert (run.refresh().status, run.record.request) == ("running", None)


def test_a_run_that_cannot_be_stopped_is_reported(
    client: Client, service: RunningService, capsys: pytest.CaptureFixture[str]
) -> None:
    run = client.submit({"dataset": "digits", "architecture": "mlp"})
    client.run(run.id).cancel()
    assert not stop_all([run])
    assert "cancelled" in capsys.readouterr().err
    assert stop_all([run.refresh()])


def test_the_commands_begin_with_stop(client: Client) -> None:
    run = client.submit({"dataset": "digits", "architecture": "mlp"})
    lines = detached_text([run]).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("  bakehouse")] == ["stop", "watch", "cancel"]
