"""Starts child processes, restarts them when they exit, and ends them. Used by `bakehouse up` and by the workers."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import Protocol

from bakehouse import exec_with_parent

Say = Callable[[str], None]

RESTART_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds before the first, second, ... restart
STABLE_AFTER_SECONDS = 60.0  # after a process has run this long, its next restart has the shortest delay
POLL_SECONDS = 0.05


def print_to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Process(Protocol):
    """A child process that was spawned (`subprocess.Popen`) or forked."""

    def poll(self) -> int | None:
        """Returns the exit code, negative for a signal; None while the process runs."""

    def terminate(self) -> None:
        """Asks a running process to end."""

    def kill(self) -> None:
        """Ends a running process at once."""


class ForkedProcess:
    """A child process that was forked and runs one function of this program."""

    def __init__(self, run: Callable[[], None]) -> None:
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                run()
                # `sys.exit` would unwind the parent's stack in the child and run the parent's exit handlers.
                os._exit(0)
            finally:
                # `finally` also covers SystemExit and KeyboardInterrupt: none may return into the parent's code.
                sys.excepthook(*sys.exc_info())
                os._exit(1)

    def poll(self) -> int | None:
        """Returns the exit code, negative for a signal; None while the process runs."""
        if self._code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if ended else None
        return self._code

    def terminate(self) -> None:
        """Asks a running process to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends a running process at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # No other process gets the pid before `poll` has collected the exit code.
        if self.poll() is None:
            os.kill(self.pid, number)


@dataclass
class RestartingProcess:
    """Restarts a process when it exits, after a delay that grows if it exits repeatedly.

    `keep_running` has to be called often; it never blocks.
    """

    name: str
    start: Callable[[], Process]
    say: Say = print_to_stderr
    process: Process | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    failures: int = 0

    def keep_running(self) -> None:
        """Starts the process if it is not running and its delay is over."""
        code = self.process.poll() if self.process is not None else None
        if code is not None:
            self.schedule_restart(code)
        if self.process is None and monotonic() >= self.restart_at:
            self.started_at = monotonic()
            self.process = self.start()

    def schedule_restart(self, code: int) -> None:
        """Chooses the delay before the restart, and tells the user the exit code and the delay."""
        if monotonic() - self.started_at > STABLE_AFTER_SECONDS:
            self.failures = 0
        delay = RESTART_DELAYS[min(self.failures, len(RESTART_DELAYS) - 1)]
        self.say(f"{self.name} exited with code {code}; restarting it in {delay:g} s")
        self.process = None
        self.restart_at = monotonic() + delay
        self.failures += 1


def end_all(children: Sequence[RestartingProcess], *, grace: float) -> None:
    """Asks the processes to end, waits up to `grace` seconds, and kills those that are still running."""
    processes = [child.process for child in children if child.process is not None]
    # All are asked before any is waited for, so that they share one grace period.
    for process in processes:
        process.terminate()
    wait_for_exit(processes, seconds=grace)
    # `kill` does nothing to a process that has exited, so the survivors need not be picked out.
    for process in processes:
        process.kill()
    wait_for_exit(processes)


def wait_for_exit(processes: Sequence[Process], *, seconds: float = inf) -> None:
    """Waits until all processes have exited, but at most `seconds`."""
    deadline = monotonic() + seconds
    while any(process.poll() is None for process in processes) and monotonic() < deadline:
        sleep(POLL_SECONDS)


def spawn(
    arguments: Sequence[str],
    *,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    inherited: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Starts a program that ends with the calling thread. Its output is appended to `log`; by default it joins ours.

    The program has its own session: Ctrl-C in the terminal reaches only this process, which ends its children in order.
    """
    with ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else None
        return subprocess.Popen(
            [sys.executable, "-I", "-S", exec_with_parent.__file__, str(os.getpid()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if log else None,
            env=environment,
            cwd=folder,
            pass_fds=inherited,
            start_new_session=True,
        )
