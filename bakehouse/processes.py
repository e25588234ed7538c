"""Child processes that are watched, restarted, and end with the process that started them.

HomeError
├── AlreadyRunning   another process holds the folder
├── ChildEnded       a process ended before it was ready
├── NotReady         a process runs and does not become ready
├── NoRedis          (redis_server.py) no server program on this machine
├── NoFolder         the folder of state cannot be made or written to
├── NoRedisThere     (home.py) nobody listens at the address of an outside Redis
├── NoData           (home.py) the folder of data sets is not there
├── PortTaken        (home.py) somebody else listens there
└── CannotListen     (home.py) the address is not this machine's
"""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

Say = Callable[[str], None]
BOUND = Path(__file__).with_name("exec_with_parent.py")
RESTART_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # seconds before the first, second, ... restart
STABLE_AFTER_SECONDS = 60.0  # a child that lived this long starts its pauses afresh
POLL_SECONDS = 0.05


class HomeError(Exception):
    """Why processes could not be started; its message is for the user."""


class AlreadyRunning(HomeError):
    """Another process holds the folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(f"{folder} is in use by process {pid}: end that one, or choose another BAKEHOUSE_HOME")
        self.folder, self.pid = folder, pid


class NoFolder(HomeError):
    """The folder of state cannot be made or written to."""

    def __init__(self, folder: Path, why: OSError) -> None:
        super().__init__(f"{folder} cannot be used ({why.strerror}): choose another BAKEHOUSE_HOME")
        self.folder = folder


class ChildEnded(HomeError):
    """A process ended before it was ready."""

    def __init__(self, name: str, code: int, log: Path) -> None:
        super().__init__(f"{name} ended with code {code} before it was ready; the end of {log}:\n{tail(log)}")
        self.name, self.code, self.log = name, code, log


class NotReady(HomeError):
    """A process runs and does not become ready."""

    def __init__(self, name: str, seconds: float, log: Path) -> None:
        super().__init__(f"{name} was not ready within {seconds:g} s; the end of {log}:\n{tail(log)}")
        self.name, self.seconds, self.log = name, seconds, log


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run, and how long it may take to end when asked to."""

    name: str
    arguments: tuple[str, ...]
    log: Path
    grace: float
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
    inherited: tuple[int, ...] = ()


@dataclass
class Watch:
    """One process kept running: restarted by a thread that lives as long as it, because Linux ends a
    bound child with the thread that started it."""

    command: Command
    say: Say
    process: subprocess.Popen[bytes]
    settled: threading.Event = field(default_factory=threading.Event)
    ending: threading.Event = field(default_factory=threading.Event)
    failed: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Restart after each end that nobody asked for; end when told to."""
        pauses, started = iter(RESTART_DELAYS), time.monotonic()
        while self._ended_by_itself():
            if not self.settled.is_set():
                self.failed.set()
                return
            if time.monotonic() - started > STABLE_AFTER_SECONDS:
                pauses = iter(RESTART_DELAYS)
            self._pause(next(pauses, RESTART_DELAYS[-1]))
            if not self.ending.is_set():
                self.process, started = start(self.command), time.monotonic()

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = inf) -> None:
        """Raise `ChildEnded` or `NotReady` if that does not come."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.failed.wait(POLL_SECONDS):
                raise ChildEnded(self.command.name, self.process.returncode, self.command.log)
            if time.monotonic() > deadline:
                raise NotReady(self.command.name, seconds, self.command.log)
        self.settled.set()

    def _ended_by_itself(self) -> bool:
        while not self.ending.wait(POLL_SECONDS):
            if self.process.poll() is not None:
                return True
        end(self.process, grace=self.command.grace)
        return False

    def _pause(self, seconds: float) -> None:
        code, log = self.process.returncode, self.command.log
        self.say(f"{self.command.name} ended with code {code}: starting it again in {seconds:g} s (see {log})")
        self.ending.wait(seconds)


@contextmanager
def watched(command: Command, *, say: Say) -> Iterator[Watch]:
    """Keep the command running for the length of the block."""
    watch = Watch(command, say, start(command))
    thread = threading.Thread(target=watch.run, name=f"watch-{command.name}", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.ending.set()
        thread.join()


def start(command: Command) -> subprocess.Popen[bytes]:
    """In a session of its own, so that the terminal's Ctrl-C leaves the order of ending to us."""
    command.log.parent.mkdir(parents=True, exist_ok=True)
    with command.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(BOUND), str(os.getpid()), *command.arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=command.environment,
            cwd=command.folder,
            pass_fds=command.inherited,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes], *, grace: float) -> None:
    """Ask, wait, then force."""
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Hold the folder's lock and yield its descriptor: children that inherit it hold the lock too, so
    that what survives a killed parent keeps the folder."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise NoFolder(folder, error) from error
    try:
        while not _locked(descriptor):
            holder = os.pread(descriptor, 20, 0).decode()
            if holder and _is_alive(int(holder)):
                raise AlreadyRunning(folder, holder)
            time.sleep(POLL_SECONDS)  # the children of a killed parent are ending
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented."""
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-lines:])
