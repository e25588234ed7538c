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

from bakehouse import exec_while_needed, exec_with_parent

Say = Callable[[str], None]

RESTART_DELAYS = (0.1, 1.0, 2.0, 4.0, 8.0)  # seconds before the first, second, ... restart of a process that ended
STABLE_AFTER_SECONDS = 10.0  # after a process has run this long, its next restart has the shortest delay
# A process that was killed from outside did nothing wrong, so it is back almost at once.
KILLED_DELAY = 0.1
KILLS = frozenset(-number for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
# The exit code of a process that somebody has to give another setting; its last words say which.
REFUSED = 2
STOPPED_SECONDS = 10.0  # a process that SIGSTOP has stopped for so long is killed
STOP_POLL_SECONDS = 0.5
POLL_SECONDS = 0.05


def print_to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Process(Protocol):
    """A child process that was spawned (`subprocess.Popen`) or forked."""

    @property
    def pid(self) -> int:
        """The id of the process."""

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
    """Restarts a process when it exits or cannot be started, after a delay that grows if this happens repeatedly.

    `keep_running` has to be called often; it never blocks.
    """

    name: str
    start: Callable[[], Process]
    say: Say = print_to_stderr
    process: Process | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    failures: int = 0
    polled_at: float = 0.0
    stopped_seconds: float = 0.0

    def poll(self) -> int | None:
        """Returns the exit code of the process if it has exited and was not restarted yet."""
        return None if self.process is None else self.process.poll()

    def keep_running(self) -> None:
        """Starts the process if it is not running and its delay is over; kills it if it was stopped for long."""
        code = self.poll()
        if code is not None:
            self.schedule_restart(code)
        elif self.process is not None:
            self.kill_if_stopped(self.process)
        if self.process is None and monotonic() >= self.restart_at:
            self.try_to_start()

    def try_to_start(self) -> None:
        """Starts the process; if the system refuses this, tells the user why and schedules the next try."""
        self.started_at = self.polled_at = monotonic()
        self.stopped_seconds = 0.0
        try:
            self.process = self.start()
        # A log that cannot be opened, or too many processes, files or too little memory.
        except OSError as error:
            delay = self.next_delay()
            self.say(f"{self.name} could not be started: {error}; trying again in {delay:g} s")
            self.restart_at = monotonic() + delay

    def schedule_restart(self, code: int) -> None:
        """Chooses the delay before the restart, and tells the user the exit code and the delay."""
        if monotonic() - self.started_at > STABLE_AFTER_SECONDS:
            self.failures = 0
        delay = KILLED_DELAY if code in KILLS else self.next_delay()
        self.say(f"{self.name} exited with code {code}; restarting it in {delay:g} s")
        self.process = None
        self.restart_at = monotonic() + delay

    def next_delay(self) -> float:
        """Returns the delay after one more failure."""
        self.failures += 1
        return RESTART_DELAYS[min(self.failures, len(RESTART_DELAYS)) - 1]

    def kill_if_stopped(self, process: Process) -> None:
        """Kills the process if it has been stopped for STOPPED_SECONDS, because nobody may ever continue it."""
        now = monotonic()
        if now - self.polled_at < STOP_POLL_SECONDS:
            return
        # If this process was stopped too, the time since its last look says nothing about the child.
        seconds = min(now - self.polled_at, 2 * STOP_POLL_SECONDS)
        self.polled_at = now
        self.stopped_seconds = self.stopped_seconds + seconds if is_stopped(process.pid) else 0.0
        if self.stopped_seconds >= STOPPED_SECONDS:
            self.say(f"{self.name} was stopped by a signal for {STOPPED_SECONDS:g} s; killing it")
            process.kill()


def name_this_process(name: str) -> None:
    """Sets the name that `ps` and `top` show for this process. Only Linux has a file for it."""
    comm = Path("/proc/self/comm")
    if comm.exists():
        comm.write_text(name, encoding="ascii")


def is_stopped(pid: int) -> bool:
    """Returns whether SIGSTOP or a terminal has stopped the process. Only Linux tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    # The program's name is in parentheses and may itself contain spaces and parentheses.
    return stat.rpartition(")")[2].split()[0] == "T"


def end_all(children: Sequence[RestartingProcess], *, grace: float) -> None:
    """Asks the processes to end, waits up to `grace` seconds, and kills those that are still running."""
    processes = [child.process for child in children if child.process is not None]
    # All are asked before any is waited for, so that they share one grace period.
    for process in processes:
        process.terminate()
        continue_stopped(process)
    wait_for_exit(processes, seconds=grace)
    # `kill` does nothing to a process that has exited, so the survivors need not be picked out.
    for process in processes:
        process.kill()
    wait_for_exit(processes)


def continue_stopped(process: Process) -> None:
    """Continues a stopped process, which would otherwise not notice that it was asked to end."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGCONT)


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
    needed: int | None = None,
    keep_inherited: bool = False,
) -> "subprocess.Popen[bytes]":
    """Starts a program that ends with the calling thread. Its output is appended to `log`; by default it joins ours.

    If `needed` is the reading end of a pipe, the program ends when no process holds the writing end any more. With
    `keep_inherited` it inherits, besides the descriptors in `inherited`, those that this process has inherited.

    The program has its own session: Ctrl-C in the terminal reaches only this process, which ends its children in order.
    """
    if needed is None:
        starter = (exec_with_parent.__file__, str(os.getpid()))
    else:
        starter = (exec_while_needed.__file__, str(needed))
        inherited = (*inherited, needed)
    with ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else None
        return subprocess.Popen(
            [sys.executable, "-I", "-S", *starter, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if log else None,
            env=environment,
            cwd=folder,
            pass_fds=inherited,
            # Python closes the descriptors that it has opened by itself in any case.
            close_fds=not keep_inherited,
            start_new_session=True,
        )
