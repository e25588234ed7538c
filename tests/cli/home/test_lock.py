"""The lock of a folder."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bakehouse.cli.home import lock
from bakehouse.cli.home.errors import AlreadyRunning
from bakehouse.cli.home.lock import lock_folder
from tests.processes import is_running, wait_until


def test_a_folder_is_locked_by_one_process_and_free_afterwards(tmp_path: Path) -> None:
    locked = f"process {os.getpid()}:"
    with lock_folder(tmp_path), pytest.raises(AlreadyRunning, match=locked), lock_folder(tmp_path):
        pass
    with lock_folder(tmp_path):
        pass


def test_the_pid_of_a_process_that_has_ended_locks_nothing(tmp_path: Path) -> None:
    ended = multiprocessing.get_context("spawn").Process(target=print)
    ended.start()
    ended.join()
    (tmp_path / "lock").write_text(str(ended.pid))
    with lock_folder(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


ORPHAN = """
import os, signal, sys, time
from pathlib import Path
from bakehouse.cli.home.lock import lock_folder
with lock_folder(Path(sys.argv[1])):
    child = os.fork()
    if child == 0:
        time.sleep(600)
    os.kill(child, signal.SIGSTOP)
    os.waitpid(child, os.WUNTRACED)
    if sys.argv[2] == "asked":
        os.kill(child, signal.SIGTERM)
    print(child, flush=True)
    os._exit(1)
"""


@pytest.mark.parametrize(("asked", "seconds"), [("asked", 60.0), ("ignored", 0.1)])
def test_a_stopped_child_of_a_killed_process_does_not_lock_the_folder_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, seconds: float
) -> None:
    monkeypatch.setattr(lock, "ORPHAN_SECONDS", seconds)
    command = [sys.executable, "-c", ORPHAN, str(tmp_path), asked]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
    assert is_running(child)
    with lock_folder(tmp_path):
        wait_until(lambda: not is_running(child))
