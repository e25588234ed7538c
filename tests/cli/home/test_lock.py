"""The lock of a folder."""

import multiprocessing
import os
from pathlib import Path

import pytest

from bakehouse.cli.home.errors import AlreadyRunning
from bakehouse.cli.home.lock import lock_folder


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
