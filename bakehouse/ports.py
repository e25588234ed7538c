"""Finds a port to listen on.

PortError
├── PortTaken     another program listens on the port
└── CannotListen  the address does not belong to this machine
"""

import errno
import os
import socket


class PortError(Exception):
    """Raised if the service cannot listen on its port; its message is for the user."""


class PortTaken(PortError):
    """Raised if another program listens on the service's port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"another program listens on {host}:{port}: stop it, or choose another BAKEHOUSE_PORT (0: any free port)"
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
