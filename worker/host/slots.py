"""Processes that are kept running: started again when they end, after pauses that grow."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Protocol

RESTART_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
STABLE_AFTER_SECONDS = 60.0
POLL_SECONDS = 0.02


class Process(Protocol):
    """What `subprocess.Popen` and `Forked` have in common."""

    def poll(self) -> int | None:
        """The exit code, once there is one."""

    def terminate(self) -> None:
        """Asks it to end."""

    def kill(self) -> None:
        """Ends it."""


class Forked:
    """A child of this process that was forked and not executed."""

    def __init__(self, run: Callable[[], None]) -> None:
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                run()
                os._exit(0)
            finally:
                sys.excepthook(*sys.exc_info())
                os._exit(1)

    def poll(self) -> int | None:
        """The exit code, once there is one; negative for a signal."""
        if self._code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if ended else None
        return self._code

    def terminate(self) -> None:
        """Asks it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # Its pid stays its own until `poll` has collected its exit code.
        if self.poll() is None:
            os.kill(self.pid, number)


@dataclass
class Slot:
    """One process, and when it may be started again."""

    name: str
    start: Callable[[str], Process]
    process: Process | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    failures: int = 0

    def keep_running(self) -> None:
        """Starts it if it does not run and is not being waited for."""
        if self.process is not None and self.process.poll() is not None:
            self.schedule(self.process.poll())
        if self.process is None and monotonic() >= self.start_at:
            self.started_at = monotonic()
            self.process = self.start(self.name)

    def schedule(self, code: int | None) -> None:
        """The pauses grow; a process that lived for a minute starts them afresh."""
        if monotonic() - self.started_at > STABLE_AFTER_SECONDS:
            self.failures = 0
        pause = RESTART_DELAYS[min(self.failures, len(RESTART_DELAYS) - 1)]
        print(f"{self.name} ended with code {code}: starting it again in {pause:g} s", file=sys.stderr, flush=True)
        self.process, self.start_at, self.failures = None, monotonic() + pause, self.failures + 1


def end_all(slots: Sequence[Slot], *, grace: float) -> None:
    """Asks all of them to end, waits, and kills those that do not."""
    running = [slot.process for slot in slots if slot.process is not None]
    for process in running:
        process.terminate()
    deadline = monotonic() + grace
    while any(process.poll() is None for process in running) and monotonic() < deadline:
        sleep(POLL_SECONDS)
    for process in running:
        if process.poll() is None:
            process.kill()


def spawn(arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    """A Python module in a session of its own: the terminal's Ctrl-C leaves the order of ending to us."""
    command = [sys.executable, "-P", "-m", *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
