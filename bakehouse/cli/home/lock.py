"""Locks a folder, so that only one process uses it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from bakehouse.cli.home.errors import AlreadyRunning, FolderUnusable
from bakehouse.processes import POLL_SECONDS


@contextmanager
def lock_folder(folder: Path) -> Iterator[int]:
    """Locks the folder for the duration of the block and yields the lock's file descriptor.

    Children that inherit the descriptor hold the lock too: if the parent is killed, they keep the folder locked.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FolderUnusable(folder, error) from error
    try:
        while not try_lock(descriptor):
            # The text is empty if the holder has the lock but has not written its pid yet.
            holder = os.pread(descriptor, 20, 0).decode()
            if holder and is_alive(int(holder)):
                raise AlreadyRunning(folder, holder)
            sleep(POLL_SECONDS)  # the process that held the lock was killed, and its children are ending
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # The process exists, but it belongs to another user.
        return True
    return True
