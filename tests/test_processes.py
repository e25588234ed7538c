"""Processes that are kept running, spawned and forked, and their end."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from bakehouse import processes
from bakehouse.processes import ForkedProcess, RestartingProcess, end_all, is_stopped, spawn
from tests.processes import is_running, wait_until

LONG_AGO = -1e6


def sleep_long() -> None:
    # A test that has run a home in this process may have left a handler of SIGTERM.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(600)


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def test_an_exited_process_is_restarted_after_delays_that_grow_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    said: list[str] = []

    def start() -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"]))
        return started[-1]

    monkeypatch.setattr(processes, "RESTART_DELAYS", (0.0, 0.01, 600.0))
    child = RestartingProcess("child", start, said.append)

    def is_waiting_long() -> bool:
        child.keep_running()
        return child.restart_at > monotonic() + 60

    wait_until(is_waiting_long)
    child.keep_running()
    assert [process.returncode for process in started] == [7, 7, 7]
    assert child.process is None
    assert said == [f"child exited with code 7; restarting it in {delay} s" for delay in ("0", "0.01", "600")]
    child.schedule_restart(7)
    assert said[-1].endswith("in 600 s")


def test_a_process_that_lived_long_begins_with_the_shortest_delay_again() -> None:
    child = RestartingProcess("child", partial(ForkedProcess, sleep_long), started_at=LONG_AGO, failures=6)
    child.schedule_restart(0)
    assert child.failures == 1
    assert child.restart_at < monotonic() + 10


def test_a_process_that_is_killed_again_and_again_is_restarted_without_a_growing_delay() -> None:
    child = RestartingProcess("child", partial(ForkedProcess, sleep_long), started_at=monotonic())
    for _ in range(5):
        child.schedule_restart(-signal.SIGKILL)
        assert child.restart_at < monotonic() + 0.5
    # A crash is not a kill.
    for _ in range(3):
        child.schedule_restart(-signal.SIGSEGV)
    assert child.restart_at > monotonic() + 1.5


def test_a_process_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    fork = os.fork

    def refuse() -> int:
        monkeypatch.setattr(os, "fork", fork)
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(processes, "RESTART_DELAYS", (0.0,))
    child = RestartingProcess("child", partial(ForkedProcess, sleep_long), said.append)
    child.keep_running()
    assert child.process is None
    child.keep_running()
    assert child.process is not None
    assert said == ["child could not be started: [Errno 11] Resource temporarily unavailable; trying again in 0 s"]
    end_all([child], grace=1)


def test_a_stopped_process_is_killed_and_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOPPED_SECONDS", 0.1)
    monkeypatch.setattr(processes, "STOP_POLL_SECONDS", 0.05)
    said: list[str] = []
    child = RestartingProcess("child", partial(ForkedProcess, sleep_long), said.append)
    child.keep_running()
    assert child.process is not None
    pid = child.process.pid
    os.kill(pid, signal.SIGSTOP)

    def is_restarted() -> bool:
        child.keep_running()
        return child.process is not None and child.process.pid != pid

    wait_until(is_restarted)
    assert said == [
        "child was stopped by a signal for 0.1 s; killing it",
        "child exited with code -9; restarting it in 0.1 s",
    ]
    end_all([child], grace=1)


def test_a_process_that_is_stopped_only_briefly_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_POLL_SECONDS", 0.0)
    child = RestartingProcess("child", partial(ForkedProcess, sleep_long))
    child.keep_running()
    assert child.process is not None
    os.kill(child.process.pid, signal.SIGSTOP)
    wait_until(lambda: child.process is not None and is_stopped(child.process.pid))
    # The poller was stopped for long, too: this time does not count.
    child.polled_at = LONG_AGO
    child.keep_running()
    os.kill(child.process.pid, signal.SIGCONT)
    wait_until(lambda: child.process is not None and not is_stopped(child.process.pid))
    child.keep_running()
    assert child.stopped_seconds == 0
    assert is_running(child.process.pid)
    end_all([child], grace=1)


def test_a_stopped_process_ends_when_it_is_asked_to() -> None:
    process = ForkedProcess(sleep_long)
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: is_stopped(process.pid))
    end_all([RestartingProcess("child", lambda: process, process=process)], grace=60)
    assert process.poll() == -signal.SIGTERM


@pytest.mark.parametrize(("run", "code"), [(lambda: None, 0), (lambda: os._exit(7), 7), (lambda: 1 / 0, 1)])
def test_a_forked_process_has_an_exit_code(run: object, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    process = ForkedProcess(run)  # type: ignore[arg-type]
    wait_until(lambda: process.poll() is not None)
    assert process.poll() == code
    assert ("ZeroDivisionError" in capfd.readouterr().err) == (code == 1)


@pytest.mark.parametrize(("run", "code"), [(sleep_long, -signal.SIGTERM), (ignore_sigterm, -signal.SIGKILL)])
def test_all_processes_end_whether_they_obey_or_not(run: Callable[[], None], code: int) -> None:
    process = ForkedProcess(run)
    wait_until(lambda: run is sleep_long or ignores_sigterm(process.pid))
    end_all([RestartingProcess("child", lambda: process, process=process)], grace=0.5)
    assert process.poll() == code
    assert not is_running(process.pid)


def ignores_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("argument", ["a b", "'", '"', "$HOME", "ü", "", "-c", "--"])
def test_arguments_arrive_unchanged(tmp_path: Path, argument: str) -> None:
    program = "import pathlib, sys; pathlib.Path('argument').write_text(sys.argv[1])"
    process = spawn([sys.executable, "-c", program, argument], folder=tmp_path)
    assert process.wait(60) == 0
    assert (tmp_path / "argument").read_text() == argument


def test_output_goes_to_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    program = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    assert spawn([sys.executable, "-c", program], log=log).wait(60) == 0
    assert log.read_text() == "before\nout\nerr\n"
