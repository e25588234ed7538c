"""Finds a port to listen on.

PortError
├── PortTaken     another program listens on the port
└── CannotListen  the address does not belong to this machine
"""

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

LISTENING = "0A"
PROC = Path("/proc")


class PortError(Exception):
    """Raised if the service cannot listen on its port; its message is for the user."""


class PortTaken(PortError):
    """Raised if another program listens on the service's port."""

    def __init__(self, host: str, port: int) -> None:
        holder = find_listener(port)
        super().__init__(
            f"another program listens on {host}:{port}{holder and f' ({holder})'}: stop it, or choose another "
            "BAKEHOUSE_PORT (0: any free port)"
        )
        self.host, self.port = host, port


class CannotListen(PortError):
    """Raised if the address does not belong to this machine, or this user may not listen on it."""

    def __init__(self, host: str, port: int, cause: OSError) -> None:
        # The number in a gaierror is a code of the resolver, which `os.strerror` does not know.
        reason = cause.strerror if isinstance(cause, socket.gaierror) else os.strerror(cause.errno or errno.EINVAL)
        super().__init__(f"cannot listen on {host}:{port} ({reason}): choose another BAKEHOUSE_HOST or BAKEHOUSE_PORT")
        self.host, self.port = host, port


def find_free_port(host: str, port: int) -> int:
    """Returns the port, or a free one for 0. Raises PortError if nobody can listen on it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # The port is released again; a small risk remains that another program takes it first.
        with socket.create_server((host, port), family=family) as free:
            found: int = free.getsockname()[1]
            return found
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port) from error
        raise CannotListen(host, port, error) from error


def find_listener(port: int) -> str:
    """Returns the name and the id of the process that listens on a port of this machine; an empty text if that is
    unknown, as for the processes of other users. Only Linux tells."""
    inodes = listening_inodes(port)
    for process in PROC.glob("[1-9]*") if inodes else ():
        # A process may end meanwhile, or belong to another user.
        with suppress(OSError):
            if any(holds(descriptor, inodes) for descriptor in (process / "fd").iterdir()):
                name = (process / "comm").read_text(errors="replace").strip()
                return f"{name}, process {process.name}"
    return ""


def holds(descriptor: Path, inodes: set[str]) -> bool:
    try:
        return str(descriptor.readlink()) in inodes
    except FileNotFoundError:
        return False  # it was closed meanwhile


def listening_inodes(port: int) -> set[str]:
    """Returns the sockets that listen on a port, as the links of file descriptors name them."""
    tables = [table.read_text().splitlines()[1:] for name in ("tcp", "tcp6") if (table := PROC / "net" / name).exists()]
    rows = [row.split() for table in tables for row in table]
    # The columns are those of proc(5): the local address, the state, and the inode.
    return {f"socket:[{row[9]}]" for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port}
