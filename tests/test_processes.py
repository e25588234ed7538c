"""Watched children and the lock of a folder."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bakehouse import processes
from bakehouse.processes import AlreadyRunning, ChildEnded, Command, NotReady, only_one, watched

Wait = Callable[[Callable[[], bool]], None]
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


def python(tmp_path: Path, program: str, *, grace: float = 10.0) -> Command:
    return Command(name="child", arguments=(sys.executable, "-c", program), log=tmp_path / "child.log", grace=grace)


def test_pauses_grow_between_restarts_and_then_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Wait
) -> None:
    monkeypatch.setattr(processes, "RESTART_DELAYS", (0.01, 0.02))
    said: list[str] = []
    with watched(python(tmp_path, "raise SystemExit(7)"), say=said.append) as watch:
        watch.wait_until(lambda: True)
        wait(lambda: len(said) >= 3)
    assert [line.split(" (see")[0] for line in said[:3]] == [
        "child ended with code 7: starting it again in 0.01 s",
        "child ended with code 7: starting it again in 0.02 s",
        "child ended with code 7: starting it again in 0.02 s",
    ]


def test_a_child_that_will_not_end_is_killed(tmp_path: Path, wait: Wait) -> None:
    with watched(python(tmp_path, STUBBORN, grace=0.1), say=print) as watch:
        watch.wait_until(lambda: "up" in (tmp_path / "child.log").read_text())
    assert watch.process.returncode == -9


def test_what_ends_before_it_is_ready_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    early = watched(python(tmp_path, "print('oven cold'); raise SystemExit(3)"), say=print)
    with early as watch, pytest.raises(ChildEnded, match=r"code 3 [^$]*oven cold"):
        watch.wait_until(lambda: False)


def test_what_does_not_become_ready_is_told(tmp_path: Path) -> None:
    silent = watched(python(tmp_path, "import signal; signal.pause()"), say=print)
    with silent as watch, pytest.raises(NotReady, match="not ready within 0 s"):
        watch.wait_until(lambda: False, seconds=0)


@pytest.mark.parametrize("argument", ["a b", "'", '"', "$HOME", "ü", "", "-c", "--"])
def test_arguments_arrive_as_they_were(tmp_path: Path, argument: str, wait: Wait) -> None:
    program = "import pathlib, signal, sys; pathlib.Path('said').write_text(sys.argv[1]); print('up'); signal.pause()"
    command = Command(
        name="child",
        arguments=(sys.executable, "-u", "-c", program, argument),
        log=tmp_path / "child.log",
        grace=10.0,
        folder=tmp_path,
    )
    with watched(command, say=print) as watch:
        watch.wait_until(lambda: "up" in command.log.read_text())
    assert (tmp_path / "said").read_text() == argument


def test_a_folder_is_held_by_one_and_free_afterwards(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(AlreadyRunning, match=f"process {os.getpid()}:"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_the_name_of_a_process_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    gone = multiprocessing.get_context("spawn").Process(target=print)
    gone.start()
    gone.join()
    (tmp_path / "lock").write_text(str(gone.pid))
    with only_one(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())
