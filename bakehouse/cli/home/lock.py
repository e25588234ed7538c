"""Locks a folder, so that only one process uses it."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from bakehouse.cli.home.errors import AlreadyRunning, FolderUnusable
from bakehouse.processes import POLL_SECONDS

PROC = Path("/proc")
# Time after which the children of a killed process are killed too; supervisors give their workers 30 s to end.
ORPHAN_SECONDS = 40.0


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
        kill_at = monotonic() + ORPHAN_SECONDS
        while not try_lock(descriptor):
            # The text is empty if the holder has the lock but has not written its pid yet.
            holder = os.pread(descriptor, 20, 0).decode()
            if holder and is_alive(int(holder)):
                raise AlreadyRunning(folder, holder)
            # The process that took the lock was killed, and its children are ending; a stopped one cannot end.
            for pid in holders_of(descriptor):
                send(pid, signal.SIGCONT if monotonic() < kill_at else signal.SIGKILL)
            sleep(POLL_SECONDS)
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


def holders_of(descriptor: int) -> list[int]:
    """Returns the processes that hold the lock of the file. Only Linux lists them."""
    return [int(process.name) for process in PROC.glob("[1-9]*") if holds(process, descriptor)]


def holds(process: Path, descriptor: int) -> bool:
    file = os.fstat(descriptor)
    try:
        # Another process that waits for the lock has the file open too, but only a holder's entry names the lock.
        return any(
            os.path.samestat(opened.stat(), file) and "FLOCK" in (process / "fdinfo" / opened.name).read_text()
            for opened in (process / "fd").iterdir()
        )
    except OSError:
        return False  # it has ended, or belongs to another user


def send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # The process exists, but it belongs to another user.
        return True
    return True
