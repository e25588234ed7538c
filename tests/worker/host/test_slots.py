"""Processes that are kept running, forked and spawned."""

import os
import signal
import subprocess
import sys
import time
from time import monotonic

import pytest

import worker.host.slots
from tests.whole_home import is_running, wait_until
from worker.host.slots import Forked, Slot, end_all

LONG_AGO = -1e6


def sleep_long() -> None:
    time.sleep(600)


def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def test_a_dead_process_is_started_again_after_pauses_that_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen([sys.executable, "-c", f"raise SystemExit('no flour for {name}')"]))
        return started[-1]

    monkeypatch.setattr(worker.host.slots, "RESTART_DELAYS", (0.0, 0.0, 600.0))
    slot = Slot("baker", start)

    def is_given_up() -> bool:
        slot.keep_running()
        return slot.start_at > monotonic()

    wait_until(is_given_up)
    slot.keep_running()
    assert [process.returncode for process in started] == [1, 1, 1]
    assert slot.process is None


def test_a_process_that_lived_long_starts_its_pauses_afresh() -> None:
    slot = Slot("baker", lambda _: Forked(sleep_long), started_at=LONG_AGO, failures=6)
    slot.schedule(0)
    assert slot.failures == 1
    assert slot.start_at < monotonic() + 10


@pytest.mark.parametrize(("run", "code"), [(lambda: None, 0), (lambda: os._exit(7), 7), (lambda: 1 / 0, 1)])
def test_a_forked_process_has_an_exit_code(run: object, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    process = Forked(run)  # type: ignore[arg-type]
    wait_until(lambda: process.poll() is not None)
    assert process.poll() == code
    assert ("ZeroDivisionError" in capfd.readouterr().err) == (code == 1)


@pytest.mark.parametrize(("run", "code"), [(sleep_long, -signal.SIGTERM), (deaf, -signal.SIGKILL)])
def test_all_end_whether_they_listen_or_not(run: object, code: int) -> None:
    process = Forked(run)  # type: ignore[arg-type]
    time.sleep(0.3)
    end_all([Slot("baker", lambda _: process, process=process)], grace=0.5)
    wait_until(lambda: process.poll() is not None)
    assert process.poll() == code
    assert not is_running(process.pid)
