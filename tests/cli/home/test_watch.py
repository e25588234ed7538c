"""Commands that run in the background until their block ends."""

import os
import signal
import sys
from pathlib import Path

import pytest

from bakehouse import processes
from bakehouse.cli.home.errors import ChildExited, NotReady
from bakehouse.cli.home.watch import Command, WatchedCommand, watch
from tests.processes import wait_until

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
# Prints each SIGTERM that arrives within 0.3 s of the first.
COUNTING = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("SIGTERM", flush=True))
print("up", flush=True)
signal.pause()
time.sleep(0.3)
"""


def python(tmp_path: Path, program: str, *, grace: float = 10.0) -> Command:
    return Command(name="child", arguments=(sys.executable, "-c", program), log=tmp_path / "child.log", grace=grace)


def test_every_exit_is_reported_with_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "RESTART_DELAYS", (0.01, 0.02))
    said: list[str] = []
    with watch(python(tmp_path, "raise SystemExit(7)"), say=said.append) as child:
        child.wait_until(lambda: True)
        wait_until(lambda: len(said) >= 3)
    log = tmp_path / "child.log"
    assert said[:3] == [
        f"child exited with code 7; restarting it in {delay} s (see {log})" for delay in ("0.01", "0.02", "0.02")
    ]


def test_a_child_that_will_not_end_is_killed(tmp_path: Path) -> None:
    with watch(python(tmp_path, STUBBORN, grace=0.1), say=print) as child:
        child.wait_until(lambda: "up" in (tmp_path / "child.log").read_text())
    assert child.child.poll() == -9


@pytest.mark.parametrize("is_ready", [True, False])
def test_a_child_ends_after_the_block_whether_it_was_ready_or_not(tmp_path: Path, is_ready: bool) -> None:
    with watch(python(tmp_path, "import signal; signal.pause()"), say=print) as child:
        if is_ready:
            child.keep_running()
    assert child.child.poll() == -15


def test_a_restarted_child_is_asked_to_end_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "RESTART_DELAYS", (0.0,))
    log = tmp_path / "child.log"
    with watch(python(tmp_path, COUNTING), say=print) as child:
        child.wait_until(lambda: log.read_text().count("up") == 1)
        os.kill(pid_of(child), signal.SIGKILL)
        wait_until(lambda: log.read_text().count("up") == 2)
    assert log.read_text().count("SIGTERM") == 1


def test_a_child_that_is_killed_before_it_is_ready_is_started_again(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    with watch(python(tmp_path, "print('up', flush=True); import signal; signal.pause()"), say=print) as child:
        wait_until(lambda: log.exists() and "up" in log.read_text())
        os.kill(pid_of(child), signal.SIGKILL)
        child.wait_until(lambda: log.read_text().count("up") == 2)


def test_a_child_that_cannot_be_started_is_started_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "RESTART_DELAYS", (0.01,))
    said: list[str] = []
    log = tmp_path / "child.log"
    log.mkdir()
    with watch(python(tmp_path, "import signal; signal.pause()"), say=said.append) as child:
        child.keep_running()
        wait_until(lambda: len(said) >= 2)
        log.rmdir()
        wait_until(lambda: child.child.process)
        pid = pid_of(child)
        # The log cannot be opened at a restart either.
        log.unlink()
        log.mkdir()
        os.kill(pid, signal.SIGKILL)
        log_tries = len(said)
        wait_until(lambda: len(said) >= log_tries + 3)
        log.rmdir()
        wait_until(lambda: child.child.process is not None and pid_of(child) != pid)
    assert "child could not be started: [Errno 21] Is a directory" in said[0]


def pid_of(child: WatchedCommand) -> int:
    process = child.child.process
    assert process is not None
    return process.pid


def test_an_exit_before_readiness_is_an_error_with_the_end_of_the_log(tmp_path: Path) -> None:
    early = watch(python(tmp_path, "print('no memory'); raise SystemExit(3)"), say=print)
    with early as child, pytest.raises(ChildExited, match=r"code 3 [^$]*no memory"):
        child.wait_until(lambda: False)


def test_a_child_that_does_not_become_ready_is_an_error(tmp_path: Path) -> None:
    silent = watch(python(tmp_path, "import signal; signal.pause()"), say=print)
    with silent as child, pytest.raises(NotReady, match="not ready within 0 s"):
        child.wait_until(lambda: False, seconds=0)
