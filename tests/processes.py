"""Looks at processes, kills them, and waits for what they do."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.02
# The names that prefork's children give themselves.
WORKER = "bakehouse-train"
TASK_PROCESS = "bakehouse-tasks"


def wait_until(look: Callable[[], T | None], *, seconds: float = LIMIT_SECONDS) -> T:
    """Returns the first answer that is not empty; the limit is only for a test that would hang."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(POLL_SECONDS)
    return found


def is_running(pid: int) -> bool:
    """Whether a process runs; a process that has exited and was not collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(*pids: int) -> None:
    """Kills processes; those that have exited already are passed over."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children_of(pid: int) -> list[int]:
    """The processes that any thread of a process has started."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def name_of(pid: int) -> str:
    """The name that a process has given itself, or that of its program."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def workers_of(prefork: int) -> list[int]:
    """The training workers that a prefork process has started."""
    return [pid for pid in children_of(prefork) if name_of(pid) == WORKER]


def task_processes_of(prefork: int) -> list[int]:
    """The task process that a prefork process has started."""
    return [pid for pid in children_of(prefork) if name_of(pid) == TASK_PROCESS]


def process_tree(pid: int) -> list[int]:
    """A process and all its descendants, parents first."""
    return [pid, *(descendant for child in children_of(pid) for descendant in process_tree(child))]


def command_of(pid: int) -> list[str]:
    """The command line of a process, split into its arguments."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
