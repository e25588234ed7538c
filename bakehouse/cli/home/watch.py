"""Runs a command in the background: waits until it is ready, then restarts it whenever it exits."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from subprocess import Popen
from threading import Event, Thread
from time import monotonic, sleep

from bakehouse.cli.home.errors import ChildExited, ChildRefused, NotReady
from bakehouse.processes import KILLS, POLL_SECONDS, REFUSED, RestartingProcess, Say, end_all, spawn


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program with its log, and the number of seconds (`grace`) that it may take to end when asked to."""

    name: str
    arguments: tuple[str, ...]
    log: Path
    grace: float
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
    inherited: tuple[int, ...] = ()
    needed: int | None = None
    """The reading end of a pipe: the program ends with the last holder of the writing end, not with its parent."""

    def start(self) -> "Popen[bytes]":
        """Starts the program as a child of the calling thread."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        return spawn(
            self.arguments,
            log=self.log,
            environment=self.environment,
            folder=self.folder,
            inherited=self.inherited,
            needed=self.needed,
        )


class WatchedCommand:
    """A started command. It is restarted when it exits only after a call of `wait_until` or `keep_running`."""

    def __init__(self, command: Command, say: Say) -> None:
        self.command = command
        self.log_start = command.log.stat().st_size if command.log.exists() else 0
        self.child = RestartingProcess(command.name, command.start, say=lambda text: say(f"{text} (see {command.log})"))
        self.child.keep_running()
        self._ending = Event()
        self._thread = Thread(target=self._run, name=f"watch-{command.name}", daemon=True)

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = inf) -> None:
        """Waits until the command is ready, then keeps it running. If it was killed or could not be started, it is
        started again. Raises `ChildRefused` or `ChildExited` if it exits by itself, and `NotReady` if it is not ready
        in time."""
        deadline = monotonic() + seconds
        while not ready():
            code = self.child.poll()
            if code == REFUSED:
                raise ChildRefused(self.command.name, self.command.log, since=self.log_start)
            if code is not None and code not in KILLS:
                raise ChildExited(self.command.name, code, self.command.log, since=self.log_start)
            if monotonic() > deadline:
                raise NotReady(self.command.name, seconds, self.command.log, since=self.log_start)
            self.child.keep_running()
            sleep(POLL_SECONDS)
        self.keep_running()

    def keep_running(self) -> None:
        """From now on, restarts the command whenever it exits."""
        self._thread.start()

    def end(self) -> None:
        """Ends the command; kills it if it has not ended within `grace` seconds."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        else:
            # The thread never started, so the child belongs to the calling thread, which ends it.
            end_all([self.child], grace=self.command.grace)

    def _run(self) -> None:
        while not self._ending.wait(POLL_SECONDS):
            self.child.keep_running()
        # The child is ended in this thread: when the thread that started it ends, the child gets another SIGTERM, and a
        # second signal makes it end in a hurry.
        end_all([self.child], grace=self.command.grace)


@contextmanager
def watch(command: Command, *, say: Say) -> Iterator[WatchedCommand]:
    """Starts the command and ends it after the block."""
    watched = WatchedCommand(command, say)
    try:
        yield watched
    finally:
        watched.end()
