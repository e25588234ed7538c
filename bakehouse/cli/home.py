"""`bakehouse up`: Redis, the service and the workers on this machine, with all state in one folder."""

import errno
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import httpx
import typer

from bakehouse.cli.redis_server import redis_server
from bakehouse.processes import Command, HomeError, Say, only_one, watched
from bakehouse.settings import Settings

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SERVICE_GRACE = 10.0
READY_WITHIN = 60.0
WORKER_GRACE = 30.0  # until resume states are on the disk


class PortTaken(HomeError):
    """Somebody else listens on the service's port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"another program listens on {host}:{port}: end it, or choose another BAKEHOUSE_PORT (0 takes a free one)"
        )
        self.host, self.port = host, port


class CannotListen(HomeError):
    """The address is not this machine's, or not ours to take."""

    def __init__(self, host: str, port: int, why: OSError) -> None:
        reason = why.strerror if isinstance(why, socket.gaierror) else os.strerror(why.errno or errno.EINVAL)
        super().__init__(f"cannot listen on {host}:{port} ({reason}): choose another BAKEHOUSE_HOST or BAKEHOUSE_PORT")
        self.host, self.port = host, port


class NoRedisThere(HomeError):
    """Nobody listens at the address of an outside Redis."""

    def __init__(self, address: str, why: OSError) -> None:
        super().__init__(f"no Redis answers at {address} ({why}): start it, or leave BAKEHOUSE_REDIS_URL out")
        self.address = address


class NoData(HomeError):
    """The folder of data sets is not there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"BAKEHOUSE_DATA is {folder}, which is no folder: create it, or set another")
        self.folder = folder


@dataclass(frozen=True)
class Home:
    """What runs: where clients find the service, where its parts find Redis, and where the logs are."""

    url: str
    redis_url: str
    logs: Path


def say_on_stderr(text: str) -> None:
    """Talk goes to stderr, data to stdout."""
    print(f"bakehouse: {text}", file=sys.stderr, flush=True)


def up(settings: Settings, *, on_ready: Callable[[Home], None]) -> None:
    """Run until Ctrl-C or SIGTERM; what cannot start is said on stderr, with exit code 2."""
    try:
        with home_running(settings) as home:
            on_ready(home)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        say_on_stderr("ended; the next `bakehouse up` goes on where this one stopped")
    except HomeError as error:
        say_on_stderr(str(error))
        raise typer.Exit(2) from error


@contextmanager
def home_running(settings: Settings, *, say: Say = say_on_stderr) -> Iterator[Home]:
    """Everything up and ready for the length of the block; signals interrupt the block, and at its end
    the workers stop first, then the service, then Redis."""
    with ExitStack() as stack:
        stack.enter_context(_signals_interrupt())
        if settings.data is not None and not settings.data.is_dir():
            raise NoData(settings.data)
        lock = stack.enter_context(only_one(settings.home))
        port = _free_port(settings)
        redis_url = stack.enter_context(_redis(settings, say))
        here = settings.model_copy(update={"port": port, "redis_url": redis_url})
        service = stack.enter_context(watched(_service(here, lock), say=say))
        # Beside the service, which is ready long before torch is imported; ended before it.
        if settings.workers > 0:
            workers = stack.enter_context(watched(_workers(here, lock), say=say))
            workers.settled.set()
        service.wait_until(partial(_is_ready, here), seconds=READY_WITHIN)
        yield Home(_address(here), redis_url, _logs(here))


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    before = {number: signal.signal(number, _interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # One is enough: make and the terminal both send it, and ending in order takes a moment.
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _redis(settings: Settings, say: Say) -> AbstractContextManager[str]:
    if settings.redis_url is not None:
        _knock(settings.redis_url)
        return nullcontext(settings.redis_url)
    return redis_server(settings.home, say=say)


def _knock(redis_url: str) -> None:
    """Rather now than a minute of service and workers that start again and again."""
    parts = urlsplit(redis_url)
    address = f"{parts.hostname}:{parts.port or 6379}"
    if parts.scheme in ("redis", "rediss"):
        try:
            socket.create_connection((parts.hostname, parts.port or 6379), timeout=5).close()
        except OSError as error:
            raise NoRedisThere(address, error) from error


def _free_port(settings: Settings) -> int:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.create_server((settings.host, settings.port), family=family) as free:
            port: int = free.getsockname()[1]
            return port
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(settings.host, settings.port) from error
        raise CannotListen(settings.host, settings.port, error) from error


def _service(settings: Settings, lock: int) -> Command:
    # -P: a folder named `service` where the user stands is not ours.
    return Command(
        name="service",
        arguments=(sys.executable, "-P", "-m", "service"),
        log=_logs(settings) / "service.log",
        grace=SERVICE_GRACE,
        environment=_environment(settings),
        inherited=(lock,),
    )


def _workers(settings: Settings, lock: int) -> Command:
    return Command(
        name="worker",
        arguments=(sys.executable, "-P", "-m", "worker.main"),
        log=_logs(settings) / "worker.log",
        grace=WORKER_GRACE,
        environment=_environment(settings),
        inherited=(lock,),
    )


def _logs(settings: Settings) -> Path:
    return settings.home / "logs"


def _environment(settings: Settings) -> dict[str, str]:
    names = {f"BAKEHOUSE_{name.upper()}" for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in names}
    chosen = {
        f"BAKEHOUSE_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value is not None
    }
    return kept | chosen | {"PYTHONUNBUFFERED": "1"}


def _address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - not bound, reached
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _is_ready(settings: Settings) -> bool:
    try:
        answer = httpx.get(f"{_address(settings)}/healthz/ready", timeout=5, trust_env=False)
    except httpx.TransportError:
        return False
    return answer.is_success


def program() -> str:
    """`bakehouse` where the shell finds it, else its path: from here if it is below, such as `.venv/bin/bakehouse`."""
    path, here = Path(sys.executable).with_name("bakehouse"), Path.cwd()
    if shutil.which("bakehouse"):
        return "bakehouse"
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
